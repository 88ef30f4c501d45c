"""`recstack data`: copies source files to the object store and back."""

from pathlib import Path
from typing import Annotated

import typer

from recstack.progress import say
from recstack.settings import Settings

data_app = typer.Typer(no_args_is_help=True, help="Copy source files to the object store (OBJECT_STORE) and back.")

Dataset = Annotated[str, typer.Option(help="adapter in recstack/data/adapters")]


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
