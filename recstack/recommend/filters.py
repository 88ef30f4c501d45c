"""Which items each request may get: unseen, not excluded, of the genres that it names."""

from collections.abc import Sequence

from recstack.features.arrays import Mask
from recstack.features.batches import UserBatch
from recstack.recommend.catalogue import Catalogue
from recstack.recommend.request import Request


def allowed_items(requests: Sequence[Request], users: UserBatch, catalogue: Catalogue) -> Mask:
    """[B, I] True where an item may be recommended.

    Args:
        requests: B requests.
        users: who asks, in the same order.
        catalogue: I items.
    """
    allowed = users.unseen(len(catalogue.titles))
    for row, request in enumerate(requests):
        if request.include_seen:
            allowed[row] = True
        if request.genres:
            allowed[row] &= catalogue.has_genre(request.genres)
        if request.exclude:
            positions = catalogue.encoder.positions(request.exclude)
            allowed[row, positions[positions >= 0]] = False
    return allowed
