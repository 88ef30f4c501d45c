"""Requests to ranked items with reasons; runs unchanged in any server, reads features through one callable."""

from recstack.recommend.catalogue import Catalogue
from recstack.recommend.engine import Answer, Batch, Engine, Item
from recstack.recommend.request import BadRequestError, RatingScale, Request

__all__ = ["Answer", "BadRequestError", "Batch", "Catalogue", "Engine", "Item", "RatingScale", "Request"]
