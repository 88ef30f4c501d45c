"""What `feast apply` finds here: the declarations of `recstack.features.views` for the feature tables in use."""

from recstack.features.views import declare
from recstack.settings import Settings
from recstack.storage.lake import current

SETTINGS = Settings()

user, item, user_features, item_features, ranking = declare(
    current(SETTINGS.lake / "features").path, SETTINGS.feast_offline
)
