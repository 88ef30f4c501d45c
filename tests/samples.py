"""Writes small made-up source files in the layout of each dataset; the contract test needs one for every adapter."""

from collections.abc import Callable
from datetime import date
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


def music(folder: Path) -> None:
    """Genre lists with a null or none at all, a track without a name, one by two artists, a play that is repeated."""
    tracks = {
        "track_id": [101, 102, 103, 104],
        "albums": [[1], [1], [2], []],
        "artists": [[7], [8, 7], [99], []],
        "genres": [[11, 12], [12, None], None, []],
    }
    names = {
        "id": [101, 102, 103, 7, 8, 11, 12, 7, 1],
        "type": ["track", "track", "track", "artist", "artist", "genre", "genre", "album", "album"],
        "name": ["Blue", "Duet", "Alone", "Ann", "Bob", "Rock", "jazz", "an album", "another"],
    }
    pairs = [(user, track) for user in range(1, 13) for track in tracks["track_id"]]
    plays = [(user, track, seq, date(2022, 1 + user % 12, 1 + user)) for seq, (user, track) in enumerate(pairs)]
    plays += [(1, 101, 300, date(2022, 12, 24)), (1, 101, 301, date(2022, 12, 24))]
    users, items, seqs, days = zip(*plays, strict=True)
    lists = pa.list_(pa.int64())
    pq.write_table(
        pa.table({"track_id": tracks["track_id"], **{n: pa.array(tracks[n], lists) for n in list(tracks)[1:]}}),
        folder / "tracks.parquet",
    )
    kinds = pa.array(names["type"]).dictionary_encode()  # as pandas writes a category
    pq.write_table(pa.table({**names, "type": kinds}), folder / "catalog_names.parquet")
    columns = {
        "user_id": pa.array(users, pa.int32()),
        "track_id": pa.array(items, pa.int32()),
        "track_seq": pa.array(seqs, pa.int16()),
        "started_at": pa.array(days, pa.date32()),
    }
    pq.write_table(pa.table(columns), folder / "interactions.parquet")


def ncf_files(folder: Path) -> None:
    """Twelve users; the last item of each is in the test file, and was not always the last in time."""
    ratings: dict[int, list[str]] = {}
    for user, item in _pairs(8):
        line = f"{user}\t{item}\t{(user + item) % 5 + 1}\t{978300000 + user * 100 + item // 2}"
        ratings.setdefault(user, []).append(line)
    test = {user: lines.pop(0 if user % 2 else -1) for user, lines in ratings.items()}
    negatives = [f"({user},{line.split()[1]})\t" + "\t".join(map(str, range(20, 29))) for user, line in test.items()]
    train = [line for lines in ratings.values() for line in lines]
    for name, lines in (("train.rating", train), ("test.rating", test.values()), ("test.negative", negatives)):
        (folder / f"ml-1m.{name}").write_text("\n".join(lines) + "\n")


def csv(folder: Path) -> None:
    """Users and items are words; semicolons, German dates, a title with a separator in it."""
    loans = ["member;isbn;stars;returned"]
    loans += [f"m{user};isbn {item};{(user + item) % 5 + 1};{user:02}.03.2024 10:{item:02}" for user, item in _pairs(3)]
    books = ["isbn;name;subjects", 'isbn 1;"Love; and war";Romance, War', "isbn 2;Dune;Science Fiction", "isbn 3;;"]
    (folder / "loans.csv").write_text("\n".join(loans) + "\n")
    (folder / "books.csv").write_text("\n".join(books) + "\n")
    (folder / "mapping.toml").write_text(
        """text_ids = ["user", "item"]
[interactions]
file = "loans.csv"
separator = ";"
user = "member"
item = "isbn"
rating = "stars"
time = "returned"
time_format = "dd.MM.yyyy HH:mm"
[rating]
min = 1
max = 5
positive_from = 4
[items]
file = "books.csv"
separator = ";"
item = "isbn"
title = "name"
genres = "subjects"
genre_separator = ","
"""
    )


def synthetic(folder: Path) -> None:
    """Needs no files."""


def writer(dataset: str) -> Callable[[Path], None]:
    """The function of this file that has the name of the dataset."""
    try:
        found: Callable[[Path], None] = globals()[dataset]
    except KeyError:
        raise LookupError(f"a new dataset needs a function {dataset!r} in tests/samples.py") from None
    return found


def _pairs(n_items: int) -> list[tuple[int, int]]:
    return [(user, item) for user in range(1, 13) for item in range(1, n_items + 1) if (user * item) % 5]
