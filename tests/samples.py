"""Writes small made-up source files in the layout of each dataset; the contract test needs one for every adapter."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def movielens_25m(folder: Path) -> None:
    """Windows line ends, quotes and commas in titles, years in every form that occurs."""
    movies = [
        "movieId,title,genres",
        "1,Toy Story (1995),Adventure|Animation|Children",
        '2,"American President, The (1995)",Comedy|Drama',
        '3,"11\'09""01 - September 11 (2002)",Drama',
        "4,Dead Snow 2: Red vs. Dead (2014) ,Action|Comedy",
        "5,Death Note: Desu nôto (2006–2007),(no genres listed)",
        "6,Babylon 5,Sci-Fi",
        "7,Cosmos (2014–),Documentary",
        "8,Assembly (Ji jie hao) (2007),Action|War",
    ]
    ratings = ["userId,movieId,rating,timestamp"]
    ratings += [f"{user},{item},{(user + item) % 10 / 2 + 0.5},{10**9 + user * 100 + item}" for user, item in _pairs(8)]
    (folder / "movies.csv").write_text("\r\n".join(movies) + "\r\n")
    (folder / "ratings.csv").write_text("\r\n".join(ratings) + "\r\n")


def movielens_100k(folder: Path) -> None:
    """Typed header names; one film without title, year and genre, as in the original."""
    items = [
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq",
        "1\tToy Story\t1995\tAnimation Children's Comedy",
        "2\tMisérables, Les\t1995\tDrama Musical",
        "3\tunkonwn\tunkonwn\tunknown",
    ]
    ratings = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    ratings += [f"{user}\t{item}\t{(user + item) % 5 + 1}\t{880000000 + user * 100 + item}" for user, item in _pairs(3)]
    (folder / "ml-100k.item").write_text("\n".join(items) + "\n")
    (folder / "ml-100k.inter").write_text("\n".join(ratings) + "\n")


def anime(folder: Path) -> None:
    """HTML entities in titles, nulls, a genre list with a null in it."""
    users, items = zip(*_pairs(3), strict=True)
    catalogue = {
        "animeID": [1, 2, 3],
        "title": ["Gintama&#039;", "&quot;0&quot; &amp;lt;", " Kimi no Na wa. "],
        "type": ["TV", "UNKNOWN", "MOVIE"],
        "year": pa.array([2011, None, 2016], pa.int64()),
        "score": [9.16, None, float("nan")],
        "episodes": pa.array([51, None, 1], pa.int64()),
        "genres_union": [["sci-fi", "comedy", "comedy"], [], ["Drama ", None, ""]],
    }
    ratings = {"userID": users, "animeID": items, "rating": [(u + i) % 11 for u, i in zip(users, items, strict=True)]}
    pq.write_table(pa.table(catalogue), folder / "anime.parquet")
    pq.write_table(pa.table(ratings), folder / "rating.parquet")


def synthetic(folder: Path) -> None:
    """Needs no files."""


def writer(dataset: str) -> Callable[[Path], None]:
    """The function above that is named like the dataset."""
    try:
        found: Callable[[Path], None] = globals()[dataset]
    except KeyError:
        raise LookupError(f"a new dataset needs a function {dataset!r} in tests/samples.py") from None
    return found


def _pairs(n_items: int) -> list[tuple[int, int]]:
    return [(user, item) for user in range(1, 13) for item in range(1, n_items + 1) if (user * item) % 5]
