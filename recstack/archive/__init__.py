"""A trained model as files: `bundle` writes them, `mar` packs them for TorchServe, `opening` loads them."""
