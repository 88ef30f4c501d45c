"""Words by which columns and kinds of events are known."""

import re
from typing import Final

USER: Final = "user"
ITEM: Final = "item"
RATING: Final = "rating"
STRENGTH: Final = "strength"
TIME: Final = "time"
EVENT: Final = "event"
TITLE: Final = "title"
GENRES: Final = "genres"
YEAR: Final = "year"
TYPE: Final = "type"
EPISODES: Final = "episodes"
MEAN_SCORE: Final = "mean_score"

# Words in names of columns, the surest first. Names are cut into words at every change of case, sign and digit.
WORDS: Final[dict[str, tuple[str, ...]]] = {
    USER: (
        *("user", "usersha", "userid", "uid", "member", "memberid", "customer", "customerid", "visitor", "visitorid"),
        *("reviewer", "reviewerid", "client", "reader", "listener", "viewer", "subscriber", "account", "buyer"),
        *("profile", "person", "patron", "student", "player", "author", "session", "sessionid", "cookie", "device"),
        *("usuario", "nutzer", "kunde", "utilisateur", "username"),
    ),
    ITEM: (
        *("item", "itemid", "iid", "product", "productid", "movie", "movieid", "film", "book", "bookid", "isbn"),
        *(
            "parentasin",
            "asin",
            "track",
            "trackid",
            "song",
            "songid",
            "artist",
            "artistid",
            "album",
            "anime",
            "animeid",
        ),
        *("game", "app", "appid", "business", "venue", "location", "poi", "article", "articleid", "news", "newsid"),
        *("video", "sku", "offer", "content", "show", "course", "recipe", "restaurant", "hotel", "mal", "artikel"),
        *("place", "page", "title", "ean", "id"),
    ),
    RATING: (
        *("rating", "ratings", "stars", "star", "score", "overall", "grade", "note", "preference", "value"),
        *("recommended", "recommend", "liked", "like", "vote"),
    ),
    STRENGTH: (
        *("rating", "score", "value"),  # if their numbers are on no scale
        *("plays", "playcount", "hours", "minutes", "count", "counts", "weight", "listens", "clicks", "views"),
        *("quantity", "qty", "playtime", "amount", "duration", "times", "frequency"),
    ),
    TIME: (
        *("timestamp", "time", "datetime", "unixreviewtime", "ts", "date", "created", "day", "when", "at", "at_time"),
        *("rated", "played", "purchased", "clicked", "returned", "visited", "seconds", "ms", "epoch", "updated"),
    ),
    EVENT: ("event", "behavior", "behaviour", "action", "interaction", "kind", "type"),
    TITLE: ("title", "name", "titel", "titre", "headline"),
    GENRES: (
        *("genres", "genre", "categories", "category", "tags", "subjects", "subject", "class", "topics", "topic"),
        *("shelves", "keywords", "tag"),
    ),
    TYPE: ("type", "format", "medium"),
    EPISODES: ("episodes", "episode"),
    MEAN_SCORE: ("averagerating", "meanscore", "score", "mean", "average", "rating", "stars"),
    YEAR: ("year", "released", "release", "published", "publication", "printed", "jahr"),
}


NO_GENRES: Final = frozenset(
    {"author", "authors", "actor", "actors", "cast", "director", "directors", "publisher", "url", "image", "address"}
    | {"description", "abstract", "attributes", "features", "related", "also", "bought", "ids", "country", "language"}
)
"""Words in names of columns whose lists are no genres."""

# Parts of words for kinds of events, and their weights.
_EVENTS: Final = {
    **dict.fromkeys(("transaction", "purchase", "buy", "order", "checkout", "sale", "bought"), 5.0),
    **dict.fromkeys(("cart", "basket", "fav", "like", "save", "wish", "play", "listen", "download", "collect"), 3.0),
    **dict.fromkeys(("view", "click", "pv", "show", "open", "visit", "impression", "detail", "read"), 1.0),
}


def words_of(name: str) -> list[str]:
    """The words of a name: "User-ID" has user, id and userid; "unixReviewTime" ends in unixreviewtime."""
    name = re.sub(r":(token|token_seq|float|float_seq)$", "", name)
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return [part.lower() for part in parts] + ["".join(parts).lower()]


def weight_of(event: str) -> float | None:
    """A usual weight for a kind of event; None for a word that is none."""
    words = re.sub(r"[^a-z]+", " ", event.lower())
    return next((weight for part, weight in _EVENTS.items() if part in words), None)


def event_words() -> set[str]:
    """Words that stand for kinds of events wherever they are."""
    return {word.replace(" ", mark) for word in _EVENTS for mark in ("", " ", "_")}
