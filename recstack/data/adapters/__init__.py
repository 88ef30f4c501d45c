"""One module a dataset; each module here that defines a `Dataset` is discovered automatically."""
