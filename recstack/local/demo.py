"""The demo's three questions to the running TorchServe, and its answers as tables."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from recstack import columns as c
from recstack.archive.bundle import Bundle
from recstack.release.served_model import most_active_user, recommend, served_model, training_features
from recstack.settings import Settings

UNKNOWN_USER = 2**31


def three_liked(bundle: Bundle) -> list[int]:
    """Three popular items of one genre: what a stranger might name."""
    popularity = dict(zip(bundle.items[c.ITEM_ID].to_pylist(), bundle.items[c.POPULARITY_ALL].to_pylist(), strict=True))
    items = sorted(bundle.catalogue.to_pylist(), key=lambda item: -(popularity.get(item[c.ITEM_ID]) or 0))
    # A rare genre says more about a taste than "drama" does, if it still has well-known items.
    genre = min(
        (g for g in bundle.encoder.genres if sum(g in item[c.GENRES] for item in items[:200]) >= 3),
        key=lambda g: sum(g in item[c.GENRES] for item in items),
        default=None,
    )
    return [item[c.ITEM_ID] for item in items if genre is None or genre in item[c.GENRES]][:3]


def show_answers(settings: Settings, console: Console | None = None) -> None:
    """Three tables: a known user, a stranger who names three liked items, somebody of whom nothing is known."""
    console = console or Console(width=150)
    model = served_model(settings)
    bundle = Bundle.read(model.path / "bundle")
    titles = dict(zip(bundle.catalogue[c.ITEM_ID].to_pylist(), bundle.catalogue[c.TITLE].to_pylist(), strict=True))
    user, liked = most_active_user(training_features(model)), three_liked(bundle)
    console.print(answer_table(f"user {user}", recommend(settings, {"user_id": user, "explain": True})))
    names = ", ".join(titles[item] for item in liked)
    console.print(answer_table(f"a stranger who likes {names}", recommend(settings, {"liked": liked, "explain": True})))
    console.print(answer_table("an unknown user", recommend(settings, {"user_id": UNKNOWN_USER, "explain": True})))


def answer_table(who: str, answer: Mapping[str, Any]) -> Table:
    """Rank, title, year, genres, score and reason of one answer."""
    title = f"For {who} · policy {answer['policy']} · model {answer['model_version']}"
    table = Table("rank", "title", "year", "genres", "score", "reason", title=title, title_justify="left")
    for rank, item in enumerate(answer["items"], 1):
        year = "" if item["year"] is None else str(item["year"])
        reason = "; ".join(item["reasons"][:2])
        table.add_row(str(rank), item["title"], year, ", ".join(item["genres"]), f"{item['score']:.2f}", reason)
    return table
