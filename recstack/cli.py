"""The `recstack` command; each verb calls one function."""

import json
import logging
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recstack.settings import Settings

if TYPE_CHECKING:
    from recstack.experiments.prepare import ExperimentConfig

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
data_app = typer.Typer(no_args_is_help=True, help="Source files to the object store (OBJECT_STORE) and back.")
app.add_typer(data_app, name="data")

Dataset = Annotated[str, typer.Option(help="adapter in recstack/data/adapters")]
Data = Annotated[Path | None, typer.Option(help="folder of the source files; default: download where allowed")]
Options = Annotated[list[str] | None, typer.Option("--option", help="option of the dataset, such as min_year=2010")]
Protocol = Annotated[str | None, typer.Option(help="default: global-time, or stratified without timestamps")]
Target = Annotated[
    str, typer.Option(help="which interactions are targets: 'implicit' (all) or 'positive' (well rated)")
]
SplitAt = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="first day of the test part of global-time")
]


@app.callback()
def prepare() -> None:
    """Ratings in, recommendations out. All state stays in `.recstack` and `model_store` of the current folder."""
    Settings().prepare_libraries()


@app.command()
def demo(dataset: Dataset = "movielens_100k", data: Data = None, option: Options = None) -> None:
    """Run the pipeline on embedded defaults, serve the model, ask it, and say where to look."""
    Settings().recstack_home.mkdir(parents=True, exist_ok=True)  # Prefect looks for its own folder inside when imported
    from flows.demo import run_demo

    run_demo(dataset, data, _pairs(option))


@app.command()
def stop() -> None:
    """End the TorchServe and the web pages that `demo` and `ui` started."""
    from recstack.local.pages import stop_pages
    from recstack.torchserve.embedded import embedded
    from recstack.torchserve.embedded import stop as stop_server

    settings = Settings()
    stop_server(embedded(settings))
    stop_pages(settings)


@app.command()
def ui() -> None:
    """Start the web pages of Prefect and MLflow on the demo's data."""
    from recstack.local.pages import start_pages

    for line in start_pages(Settings()):
        print(line)


@app.command()
def recommend(
    dataset: Dataset = "movielens_100k",
    user: Annotated[int | None, typer.Option(help="a user of the dataset")] = None,
    liked: Annotated[str | None, typer.Option(help="comma-separated item ids that a stranger likes")] = None,
    k: Annotated[int, typer.Option(help="how many items")] = 10,
) -> None:
    """Ask the running TorchServe."""
    from rich.console import Console

    from recstack.local.demo import answer_table
    from recstack.release import served_model

    who = {"user_id": user} if liked is None else {"liked": [int(item) for item in liked.split(",")]}
    answer = served_model.recommend(Settings(dataset=dataset), {**who, "k": k, "explain": True})
    Console(width=150).print(answer_table(", ".join(f"{key} {value}" for key, value in who.items()), answer))


@app.command()
def ask() -> None:
    """Ask the running TorchServe the demo's three questions: a known user, a stranger, an unknown user."""
    from recstack.local.demo import show_answers

    show_answers(Settings())  # DATASET says whose model is served


@app.command()
def evaluate(
    dataset: Dataset = "movielens_100k",
    data: Data = None,
    option: Options = None,
    protocol: Protocol = None,
    models: Annotated[str, typer.Option(help="comma-separated names, or 'all'")] = "all",
    target: Target = "implicit",
    split_at: SplitAt = None,
    seeds: Annotated[int, typer.Option(min=1, help="fits of each model")] = 1,
    reference: Annotated[
        str | None, typer.Option(help="model that the others are compared with; default: the best of them")
    ] = None,
    tuned: Annotated[bool, typer.Option("--tuned", help="with the options that `recstack tune` found")] = False,
    out: Annotated[Path | None, typer.Option(help="file for the report as JSON")] = None,
    html: Annotated[Path | None, typer.Option(help="file for the report as a page with plots")] = None,
) -> None:
    """Compare models on data of yours, apart from anything that is being served."""
    from recstack.evaluation.report.markdown import render_markdown
    from recstack.evaluation.report.page import render_page
    from recstack.experiments.evaluate import evaluate_dataset
    from recstack.storage.lake import require_writable, write_atomically

    as_json, as_page = [file.resolve() if file is not None else None for file in (out, html)]
    for file in (as_json, as_page):
        if file is not None:
            require_writable(file)
    result = evaluate_dataset(
        Settings(dataset=dataset),
        _experiment_config(data, option, protocol, target, split_at),
        [name.strip() for name in models.split(",")],
        seeds,
        reference=reference,
        tuned=tuned,
    )
    print(render_markdown(result))
    if as_json is not None:
        write_atomically(as_json, json.dumps(result.to_json(), indent=2, allow_nan=False))
    if as_page is not None:
        write_atomically(as_page, render_page(result))


@app.command()
def tune(
    model: Annotated[str, typer.Option(help="name of the model")],
    dataset: Dataset = "movielens_100k",
    data: Data = None,
    option: Options = None,
    protocol: Protocol = None,
    target: Target = "implicit",
    split_at: SplitAt = None,
    trials: Annotated[int, typer.Option(min=1, help="total number, including earlier calls")] = 50,
    minutes: Annotated[float, typer.Option(min=0, help="no trial starts after so many minutes")] = 30,
) -> None:
    """Find a model's options on the validation part; the same call again continues."""
    from recstack.experiments.evaluate import tune_dataset

    found = tune_dataset(
        Settings(dataset=dataset),
        _experiment_config(data, option, protocol, target, split_at),
        model,
        trials=trials,
        seconds=60 * minutes,
    )
    print(f"{model}: validation NDCG@10 {found.validation:.4f}, defaults {found.default:.4f}, {found.trials} trials")
    print(f"options: {json.dumps(found.options) if found.options else 'the defaults are best'}")
    print(
        "`recstack evaluate --tuned` uses them. To train and serve with them, pass them as model_options to `pipeline`."
    )


@data_app.command()
def push(
    data: Annotated[Path, typer.Option(help="folder of the source files")], dataset: Dataset = "movielens_100k"
) -> None:
    """Put the source files of a dataset into the object store, where `ingest` finds them."""
    from recstack.data.source_files import push_source
    from recstack.storage.folders import ObjectStore

    settings = Settings()
    store = ObjectStore(settings.object_store, settings.object_store_endpoint)
    moved = push_source(store, dataset, data)
    print(f"pushed {dataset} to {store.address}: {moved} in {moved.seconds:.1f} s")


@data_app.command()
def pull(
    dataset: Dataset = "movielens_100k",
    data: Annotated[Path | None, typer.Option(help="new folder for them; default: where `ingest` looks")] = None,
) -> None:
    """Get the source files of a dataset from the object store."""
    from recstack.data.source_files import pull_source
    from recstack.storage.folders import ObjectStore

    settings = Settings()
    store = ObjectStore(settings.object_store, settings.object_store_endpoint)
    folder, moved = pull_source(store, dataset, data, settings.downloads)
    print(f"pulled {dataset} to {folder}: {moved} in {moved.seconds:.1f} s")


def _experiment_config(
    data: Path | None, option: list[str] | None, protocol: str | None, target: str, split_at: datetime | None
) -> "ExperimentConfig":
    from recstack.experiments.prepare import ExperimentConfig

    return ExperimentConfig(data, _pairs(option), protocol, target, split_at.date() if split_at is not None else None)


def _pairs(options: list[str] | None) -> dict[str, str]:
    pairs = [option.partition("=") for option in options or []]
    if wrong := [name for name, sign, _ in pairs if not sign]:
        raise typer.BadParameter(f"write --option {wrong[0]}=VALUE")
    return {name: value for name, _, value in pairs}


def main() -> None:
    """Entry point: errors that a person can mend are one message; anything else keeps its trace."""
    from recstack.errors import UserError

    # Dependencies switch their deprecation warnings on, which say nothing to a user.
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.ERROR)
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        message = f"{error.format_message()} (recstack --help lists commands and options)"
    except UserError as error:
        message = str(error)
    else:
        sys.exit(code)
    print(f"recstack: {message}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
