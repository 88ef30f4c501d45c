"""Commands about source files: what is in them, a mapping for them, copies in the object store."""

from pathlib import Path
from typing import Annotated

import typer

from recstack.progress import say
from recstack.settings import Settings

Dataset = Annotated[str, typer.Option(help="adapter in recstack/data/adapters")]

data_app = typer.Typer(no_args_is_help=True, help="Copy source files to the object store (OBJECT_STORE) and back.")


def check(
    data: Annotated[Path, typer.Option(help="folder of your files")],
    dataset: Annotated[str, typer.Option(help="csv: your own files, with or without a mapping.toml")] = "csv",
    whole: Annotated[bool, typer.Option("--whole", help="read every row; default: a sample, in seconds")] = False,
) -> None:
    """Say what your files hold, how they are read, and what is wrong; exit code 1 if they can't be used."""
    from recstack.data.inspection.check import check_folder

    result = check_folder(dataset, data, whole=whole)
    for line in result.lines():
        say(line)
    raise typer.Exit(0 if result.usable else 1)


def init_mapping(
    folder: Annotated[Path, typer.Argument(help="folder of your files")],
    like: Annotated[
        str | None, typer.Option(help="a layout that many have, such as movietweetings, mind or yelp")
    ] = None,
) -> None:
    """Write mapping.toml for your files, with a comment for each key; an existing one stays."""
    from recstack.data.inspection.folders import init_mapping as write

    path = write(folder, like)
    say(path.read_text())
    say(f"wrote {path}; now: recstack check --data {folder}")


@data_app.command()
def push(
    data: Annotated[Path, typer.Option(help="folder of the source files")], dataset: Dataset = "movielens_100k"
) -> None:
    """Copy the source files of a dataset to the object store, where `ingest` finds them."""
    from recstack.data.source_files import push_source
    from recstack.storage.folders import ObjectStore

    settings = Settings()
    store = ObjectStore(settings.object_store, settings.object_store_endpoint)
    moved = push_source(store, dataset, data)
    say(f"pushed {dataset} to {store.address}: {moved} in {moved.seconds:.1f} s")


@data_app.command()
def pull(
    dataset: Dataset = "movielens_100k",
    data: Annotated[Path | None, typer.Option(help="new folder for them; default: where `ingest` looks")] = None,
) -> None:
    """Copy the source files of a dataset from the object store."""
    from recstack.data.source_files import pull_source
    from recstack.storage.folders import ObjectStore

    settings = Settings()
    store = ObjectStore(settings.object_store, settings.object_store_endpoint)
    folder, moved = pull_source(store, dataset, data, settings.downloads)
    say(f"pulled {dataset} to {folder}: {moved} in {moved.seconds:.1f} s")
