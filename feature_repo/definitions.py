"""What `feast apply` finds here: the declarations of `recstack.feature_store.views` for the feature tables in use."""

from recstack.feature_store.views import declare
from recstack.settings import Settings
from recstack.storage.lake import current

SETTINGS = Settings()

user, item, user_features, item_features, ranking = declare(
    current(SETTINGS.lake / "features").path, SETTINGS.feast_offline
)
