"""One training on several processes, cards or machines: `torchrun … -m recstack.training.distributed`."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.distributed as dist
import typer

from recstack.data.splits import TRAIN, VALIDATION
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
    seed: int = 0,
    options: dict[str, Any] | None = None,
    checkpoint: Path | None = None,
) -> None:
    """Fit on training and validation part together; the first process saves model and encoder into `out`.

    Every process of an initialised process group calls it, reads all rows, and computes gradients for its share of
    each batch. Without a process group it is an ordinary fit.

    Args:
        settings: which Feast store.
        features: what `build_features` published, applied to Feast.
        name: in `recstack.models.models()`.
        out: folder of the result; it appears when it is whole.
        seed: of every draw.
        options: of the model's `Config`; `stop_after` is the number of epochs.
        checkpoint: resume file that all processes can read; removed at the end.

    Raises:
        UserError: no such model, or `out` exists.
    """
    recommender = choose("model", name, models())
    first = not dist.is_initialized() or dist.get_rank() == 0
    if first and out.exists():
        raise UserError(f"{out} is there already; remove it or name another folder")

    def show(epoch: Epoch) -> None:
        print(f"epoch {epoch.number}:", *(f"{name} {value:.4f}" for name, value in epoch.metrics.items()), flush=True)

    data = training_data(settings, features, (TRAIN, VALIDATION))
    context = FitContext(seed=seed, options=options or {}, on_epoch=show, checkpoint=checkpoint)
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


def main(
    out: Annotated[Path, typer.Option(help="folder of the result, new")],
    dataset: Annotated[str, typer.Option(help="whose features these are")] = "movielens_100k",
    features: Annotated[Path | None, typer.Option(help="a published version; default: the current one")] = None,
    model: Annotated[str, typer.Option(help="a model of recstack/models")] = "genre_ncf",
    seed: Annotated[int, typer.Option(help="of every draw")] = 0,
    options: Annotated[str, typer.Option(help="fields of the model's Config, as JSON")] = "{}",
    checkpoint: Annotated[Path | None, typer.Option(help="resume file, where all processes can read it")] = None,
) -> None:
    """Join the process group that torchrun made, if it did, and train."""
    if dist.is_torchelastic_launched():
        dist.init_process_group()  # gloo for the CPU's tensors, nccl for the cards'
        if torch.cuda.is_available():
            torch.cuda.set_device(dist.get_node_local_rank())
    try:
        settings = Settings(dataset=dataset)
        use_threads(settings.threads)
        build = opened(features) if features is not None else current(settings.lake / "features")
        try:
            chosen = json.loads(options)
        except json.JSONDecodeError as error:
            raise UserError(f"--options {options!r} is no JSON: {error}") from error
        train_distributed(settings, build, model, out, seed=seed, options=chosen, checkpoint=checkpoint)
    except (UserError, FileNotFoundError) as error:
        print(f"recstack: {error}", file=sys.stderr)
        sys.exit(1)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


if __name__ == "__main__":
    typer.run(main)
