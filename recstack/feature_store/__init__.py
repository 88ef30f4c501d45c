"""Everything of Feast: configuration, registry, offline join, online reads; faster classes stand in `feast_*`."""

from recstack.feature_store.quick_import import import_feast

import_feast()
