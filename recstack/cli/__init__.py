"""The `recstack` command: each verb checks its arguments, imports what it needs and calls one function."""

import json
import logging
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from recstack.cli.data import Dataset, check, data_app, init_mapping
from recstack.progress import say, working
from recstack.settings import Settings

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.command()(check)
app.command("init-mapping")(init_mapping)
app.add_typer(data_app, name="data")

Data = Annotated[Path | None, typer.Option(help="folder of the source files; default: download where allowed")]
Options = Annotated[list[str] | None, typer.Option("--option", help="option of the dataset, such as min_year=2010")]
AcceptRejected = Annotated[
    bool,
    typer.Option("--accept-rejected", help="use the data although more than 1 % of the rows of a table are rejected"),
]
Protocol = Annotated[str | None, typer.Option(help="default: global-time, or stratified without timestamps")]
Target = Annotated[
    str, typer.Option(help="which interactions are targets: 'implicit' (all) or 'positive' (well rated)")
]
Staleness = Annotated[str | None, typer.Option(help="ages of histories; default for global-time: 0s,1h,1d")]
ModelOptions = Annotated[
    list[str] | None, typer.Option("--model-option", help="MODEL.NAME=VALUE, such as ease.neighbours=100; repeatable")
]
SplitAt = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="first day of the test part of global-time")
]

FeatureOption = Annotated[
    list[str] | None,
    typer.Option(help="snapshot_every=day (or interaction), lower_quantile, upper_quantile, min_range; repeatable"),
]


@app.callback()
def prepare() -> None:
    """Ratings in, recommendations out. All state stays in `.recstack` and `model_store` of the current folder."""
    Settings().prepare_libraries()


@app.command()
def demo(
    dataset: Dataset = "movielens_100k",
    data: Data = None,
    option: Options = None,
    accept_rejected: AcceptRejected = False,
    protocol: Protocol = None,
    feature_option: FeatureOption = None,
) -> None:
    """Run the whole pipeline on this machine, serve the model, and show three answers."""
    say(f"recstack demo: from the ratings of {dataset} to a model that answers requests")
    from recstack.experiments.config import ExperimentConfig

    config = ExperimentConfig.read(dataset, data, _options(option, accept_rejected), protocol, _pairs(feature_option))
    Settings().recstack_home.mkdir(parents=True, exist_ok=True)  # Prefect looks for its own folder inside when imported
    with working("importing Prefect, Spark, Feast and PyTorch"):
        from flows.demo import run_demo

    run_demo(dataset, config)


@app.command()
def stop() -> None:
    """Stop the TorchServe and the web pages that `demo` and `ui` started."""
    from recstack.local.pages import stop_pages
    from recstack.torchserve.server import server_of, stop_server

    settings = Settings()
    stop_server(server_of(settings))
    stop_pages(settings)


@app.command()
def ui() -> None:
    """Start the web pages of Prefect and MLflow on the demo's data."""
    from recstack.local.pages import start_pages

    for line in start_pages(Settings()):
        say(line)


@app.command()
def recommend(
    user: Annotated[int | None, typer.Option(min=0, help="id of a user of the dataset")] = None,
    liked: Annotated[str | None, typer.Option(help="comma-separated ids of items that an anonymous user likes")] = None,
    k: Annotated[int, typer.Option(min=1, max=100, help="how many items")] = 10,
) -> None:
    """Show what the running TorchServe recommends to one user."""
    if (user is None) == (liked is None):
        raise typer.BadParameter("give one of --user and --liked")
    who = {"user_id": user} if liked is None else {"liked": _item_ids(liked)}
    with working("importing the model's libraries"):
        from recstack.local.answers import show_answer

    show_answer(Settings(), who, k)


@app.command()
def ask() -> None:
    """Show the demo's three answers again: to a user of the dataset, an anonymous user and an unknown user."""
    with working("importing the model's libraries"):
        from recstack.local.answers import show_three_answers

    show_three_answers(Settings())  # the setting DATASET names the dataset of the served model


@app.command()
def evaluate(
    dataset: Dataset = "movielens_100k",
    data: Data = None,
    option: Options = None,
    accept_rejected: AcceptRejected = False,
    protocol: Protocol = None,
    models: Annotated[str, typer.Option(help="comma-separated names, or 'all'")] = "all",
    target: Target = "implicit",
    split_at: SplitAt = None,
    feature_option: FeatureOption = None,
    seeds: Annotated[int, typer.Option(min=1, help="fits of each model")] = 1,
    reference: Annotated[
        str | None, typer.Option(help="model that the others are compared with; default: the best of them")
    ] = None,
    tuned: Annotated[bool, typer.Option("--tuned", help="use the options that `recstack tune` found")] = False,
    staleness: Staleness = None,
    model_option: ModelOptions = None,
    out: Annotated[
        Path | None, typer.Option(help="file for the report as JSON; the rank of each target goes beside it")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="file for the report as a page with plots")] = None,
) -> None:
    """Compare models on your data, apart from what is served."""
    from recstack.evaluation.staleness import parse_names
    from recstack.experiments.config import ExperimentConfig
    from recstack.models.config import options_by_model
    from recstack.storage.lake import require_writable, write_atomically

    as_json, as_page = [file.resolve() if file is not None else None for file in (out, html)]
    for file in (as_json, as_page):
        if file is not None:
            require_writable(file)
    names = _check_models(models, reference)
    ages = parse_names(staleness, protocol)
    options = options_by_model(model_option or [], names)
    config = ExperimentConfig.read(
        dataset, data, _options(option, accept_rejected), protocol, _pairs(feature_option), target, split_at
    )
    with working("importing Spark, Feast and PyTorch"):
        from recstack.evaluation.report.markdown import render_markdown
        from recstack.evaluation.report.page import render_page
        from recstack.experiments.evaluate import evaluate_dataset

    result = evaluate_dataset(
        Settings(dataset=dataset),
        config,
        names,
        seeds,
        reference=reference,
        tuned=tuned,
        staleness=ages,
        options=options,
        ranks=None if as_json is None else as_json.with_suffix(".ranks.parquet"),
    )
    say(render_markdown(result))
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
    accept_rejected: AcceptRejected = False,
    protocol: Protocol = None,
    target: Target = "implicit",
    split_at: SplitAt = None,
    feature_option: FeatureOption = None,
    trials: Annotated[int, typer.Option(min=1, help="total number, including earlier calls")] = 50,
    minutes: Annotated[float, typer.Option(min=0, help="no trial starts after so many minutes")] = 30,
) -> None:
    """Find a model's options on the validation part; the same call again continues."""
    from recstack.experiments.config import ExperimentConfig

    _check_models(model, None)
    config = ExperimentConfig.read(
        dataset, data, _options(option, accept_rejected), protocol, _pairs(feature_option), target, split_at
    )
    with working("importing Spark, Feast and PyTorch"):
        from recstack.experiments.evaluate import tune_dataset

    found = tune_dataset(
        Settings(dataset=dataset),
        config,
        model,
        trials=trials,
        seconds=60 * minutes,
    )
    say(f"{model}: validation NDCG@10 {found.validation:.4f}, defaults {found.default:.4f}, {found.trials} trials")
    say(f"options: {json.dumps(found.options) if found.options else 'the defaults are best'}")
    say(
        "`recstack evaluate --tuned` uses them. To train and serve with them, pass them as model_options to `pipeline`."
    )


@app.command()
def forget(
    user: Annotated[str, typer.Option(help="id as the source files have it")], dataset: Dataset = "movielens_100k"
) -> None:
    """Remove a user from the lake, the online store and the object store, and keep them out; prints a report."""
    with working("importing Spark and Feast"):
        from recstack.erasure.forget import forget_from_here

    for line in forget_from_here(Settings(dataset=dataset), user).lines():
        say(line)


def _check_models(models: str, reference: str | None) -> Sequence[str]:
    from recstack.errors import choose
    from recstack.models import model_names

    names = model_names() if models == "all" else [name.strip() for name in models.split(",")]
    for name in names:
        choose("model", name, dict.fromkeys(model_names()))
    if reference is not None:
        choose("reference", reference, dict.fromkeys(names))
    return names


def _pairs(options: list[str] | None) -> dict[str, str]:
    pairs = [option.partition("=") for option in options or []]
    if wrong := [name for name, sign, _ in pairs if not sign]:
        raise typer.BadParameter(f"write NAME=VALUE, such as {wrong[0]}=VALUE")
    return {name: value for name, _, value in pairs}


def _options(options: list[str] | None, accept_rejected: bool) -> dict[str, str]:
    return _pairs(options) | ({"accept_rejected": "true"} if accept_rejected else {})


def _item_ids(text: str) -> list[int]:
    try:
        return [int(item) for item in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"write --liked as item ids with commas between them, such as 50,181, not {text}"
        ) from None


def main() -> None:
    """Entry point: an error that the user can mend is shown as one line, any other with its trace."""
    from recstack.errors import UserError

    # Libraries turn on deprecation warnings that mean nothing to a user.
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
