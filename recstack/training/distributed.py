"""Trains one model on several processes, cards or machines: `torchrun … -m recstack.training.distributed`."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.distributed as dist
import typer

from recstack.data.splits import TRAIN, VALIDATION
from recstack.data.targets import TARGETS, Target
from recstack.data.traits import Traits
from recstack.errors import UserError, choose
from recstack.models import models
from recstack.models.base import Epoch, FitContext
from recstack.settings import Settings
from recstack.storage.lake import Build, current, opened
from recstack.training.dataset import training_data
from recstack.training.threads import use_threads


def train_distributed(
    settings: Settings,
    features: Build,
    name: str,
    out: Path,
    *,
    target: Target = "implicit",
    seed: int = 0,
    options: dict[str, Any] | None = None,
    checkpoint: Path | None = None,
) -> None:
    """Fit on the training and validation part together; the first process saves model and encoder into `out`.

    All processes of an initialised process group call this. Each reads all rows and computes the gradients of its share
    of each batch. Without a process group it is an ordinary fit. `docs/training.md` says how to use the result.

    Args:
        settings: which Feast store.
        features: what `build_features` published, applied to Feast.
        name: in `recstack.models.models()`.
        out: folder of the result; it appears when it is complete.
        target: which interactions to train on, see `Target`.
        seed: of every random draw.
        options: of the model's `Config`; `stop_after` is the number of epochs.
        checkpoint: resume file that all processes can read; removed at the end.

    Raises:
        UserError: no such model, or `out` exists.
        DataError: no interaction to train on.
    """
    recommender = choose("model", name, models())
    first = not dist.is_initialized() or dist.get_rank() == 0
    if first and out.exists():
        raise UserError(f"{out} is there already; remove it or name another folder")

    def print_epoch(epoch: Epoch) -> None:
        print(f"epoch {epoch.number}:", *(f"{name} {value:.4f}" for name, value in epoch.metrics.items()), flush=True)

    data = training_data(settings, features, (TRAIN, VALIDATION), _positive_from(settings, features, target))
    context = FitContext(seed=seed, options=options or {}, on_epoch=print_epoch, checkpoint=checkpoint)
    model = recommender.fit(data, context)
    if first:
        draft = out.with_name(f".{out.name}-{os.getpid()}")
        draft.mkdir(parents=True)
        model.save(draft)
        data.encoder.save(draft)
        draft.rename(out)
        if checkpoint is not None:
            checkpoint.unlink(missing_ok=True)
        print(f"{name}: {len(data.item):,} rows, saved in {out}")


def _positive_from(settings: Settings, features: Build, target: Target) -> float | None:
    """The lowest rating to train on; None trains on all interactions."""
    if target == "implicit":
        return None
    ingested = opened(settings.lake / "interactions" / features.manifest["inputs"]["interactions"])
    return Traits.of(ingested).positive_from


def main(
    out: Annotated[Path, typer.Option(help="new folder for the result")],
    dataset: Annotated[str, typer.Option(help="the dataset of the features")] = "movielens_100k",
    features: Annotated[Path | None, typer.Option(help="a published version; default: the current one")] = None,
    model: Annotated[str, typer.Option(help="a model of recstack/models")] = "genre_ncf",
    target: Annotated[
        str, typer.Option(help="interactions to train on: 'implicit' (all) or 'positive' (well rated)")
    ] = "implicit",
    seed: Annotated[int, typer.Option(help="of every random draw")] = 0,
    options: Annotated[str, typer.Option(help="fields of the model's Config, as JSON")] = "{}",
    checkpoint: Annotated[Path | None, typer.Option(help="resume file, where all processes can read it")] = None,
) -> None:
    """Join torchrun's process group, if there is one, and train."""
    if dist.is_torchelastic_launched():
        dist.init_process_group()  # gloo for tensors on the CPU, nccl for those on cards
        if torch.cuda.is_available():
            torch.cuda.set_device(dist.get_node_local_rank())
    try:
        settings = Settings(dataset=dataset)
        use_threads(settings.threads)
        build = opened(features) if features is not None else current(settings.lake / "features")
        try:
            chosen = json.loads(options)
        except json.JSONDecodeError as error:
            raise UserError(f"--options {options!r} is not JSON: {error}") from error
        train_distributed(
            settings,
            build,
            model,
            out,
            target=choose("target", target, {name: name for name in TARGETS}),
            seed=seed,
            options=chosen,
            checkpoint=checkpoint,
        )
    except (UserError, FileNotFoundError) as error:
        print(f"recstack: {error}", file=sys.stderr)
        sys.exit(1)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


if __name__ == "__main__":
    typer.run(main)
