"""Requests to ranked items with reasons; runs in any server, reads features through one callable."""

from recstack.recommend.answer import Answer, AnsweredBatch, Failure, Item
from recstack.recommend.bad_request import BadRequestError
from recstack.recommend.catalogue import Catalogue
from recstack.recommend.engine import Engine
from recstack.recommend.request import RatingScale, Request

__all__ = [
    "Answer",
    "AnsweredBatch",
    "BadRequestError",
    "Catalogue",
    "Engine",
    "Failure",
    "Item",
    "RatingScale",
    "Request",
]
