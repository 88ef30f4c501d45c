"""What `feast apply` finds here: the declarations of `recstack.feature_store.views` for the feature tables in use."""

from pathlib import Path

from recstack.feature_store.views import declare
from recstack.settings import Folder, Settings
from recstack.storage.lake import current


class CheckoutSettings(Settings):
    """Feast changes into this folder before it reads this file; the default state is in the folder above."""

    recstack_home: Folder = Path(__file__).resolve().parent.parent / ".recstack"


SETTINGS = CheckoutSettings()

user, item, user_features, item_features, ranking = declare(
    current(SETTINGS.lake / "features").path, SETTINGS.feast_offline
)
