"""A trained model on its way to a server: `bundle` writes it, `mar` packs, `publish` installs, `opening` loads."""
