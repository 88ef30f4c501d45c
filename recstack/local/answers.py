"""Asks the running TorchServe and shows its answers as tables."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from recstack import columns as c
from recstack.archive.bundle import Bundle
from recstack.release.served_model import most_active_user, recommend, served_model
from recstack.settings import Settings

UNKNOWN_USER: Final = 2**31
"""An id that no dataset of the demo has."""
WELL_KNOWN: Final = 200
"""So many of the most popular items count as well known."""
FILE_WIDTH: Final = 150
"""Characters of a table that goes to a file; in a terminal it is as wide as the terminal."""


def show_answer(settings: Settings, who: Mapping[str, Any], k: int) -> None:
    """Show k recommendations for `{"user_id": …}` or `{"liked": […]}`."""
    if "user_id" in who:
        title = f"user {who['user_id']}"
    else:
        title = f"an anonymous user who likes items {', '.join(map(str, who['liked']))}"
    _console().print(_table(title, recommend(settings, {**who, "k": k, "explain": True})))


def show_three_answers(settings: Settings, console: Console | None = None) -> None:
    """Show answers to the most active user, to an anonymous user who names liked items, and to an unknown user."""
    model = served_model(settings)
    bundle = Bundle.read(model.path / "bundle")
    titles = dict(zip(bundle.catalogue[c.ITEM_ID].to_pylist(), bundle.catalogue[c.TITLE].to_pylist(), strict=True))
    user, liked = most_active_user(model), popular_items_of_a_genre(bundle, 3)
    questions: list[tuple[str, dict[str, Any]]] = [
        (f"user {user}", {"user_id": user}),
        (f"an anonymous user who likes {', '.join(titles[item] for item in liked)}", {"liked": liked}),
        ("an unknown user", {"user_id": UNKNOWN_USER}),
    ]
    console = console or _console()
    for title, who in questions:
        console.print(_table(title, recommend(settings, {**who, "explain": True})))


def popular_items_of_a_genre(bundle: Bundle, count: int) -> list[int]:
    """The most popular items of the rarest genre that has so many well-known items; of all genres if none has."""
    popularity = dict(zip(bundle.items[c.ITEM_ID].to_pylist(), bundle.items[c.POPULARITY_ALL].to_pylist(), strict=True))
    items = sorted(bundle.catalogue.to_pylist(), key=lambda item: -(popularity.get(item[c.ITEM_ID]) or 0))

    def of(genre: str, among: Sequence[dict[str, Any]]) -> list[int]:
        return [item[c.ITEM_ID] for item in among if genre in item[c.GENRES]]

    genres = [genre for genre in bundle.encoder.genres if len(of(genre, items[:WELL_KNOWN])) >= count]
    if not genres:
        return [item[c.ITEM_ID] for item in items[:count]]
    return of(min(genres, key=lambda genre: len(of(genre, items))), items)[:count]


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=FILE_WIDTH)


def _table(who: str, answer: Mapping[str, Any]) -> Table:
    title = f"For {who} · policy {answer['policy']} · model {answer['model_version']}"
    table = Table("rank", "title", "year", "genres", "score", "reason", title=title, title_justify="left")
    for rank, item in enumerate(answer["items"], 1):
        year = "" if item["year"] is None else str(item["year"])
        reason = "; ".join(item["reasons"][:2])
        table.add_row(str(rank), item["title"], year, ", ".join(item["genres"]), f"{item['score']:.2f}", reason)
    return table
