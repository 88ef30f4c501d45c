"""What `feast apply` finds here: the declarations of `recstack.feature_store.views` for the feature tables in use."""

from pathlib import Path

from recstack.feature_store.generations import declared_beside
from recstack.feature_store.views import declare
from recstack.settings import Folder, Settings
from recstack.storage.lake import current


class CheckoutSettings(Settings):
    """Feast changes into this folder before it reads this file; the default state is in the folder above."""

    recstack_home: Folder = Path(__file__).resolve().parent.parent / ".recstack"


SETTINGS = CheckoutSettings()

TABLES = current(SETTINGS.lake / "features")
user, item, user_features, item_features, ranking, ranking_of_generation = declare(TABLES, SETTINGS.feast_offline)

# `feast apply` removes what this file does not declare; models in service still read the other generations.
globals().update(declared_beside(SETTINGS, TABLES.manifest["generation"]))
