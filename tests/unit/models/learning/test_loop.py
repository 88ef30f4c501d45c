import logging
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from recstack.errors import UserError
from recstack.models.base import FitContext
from recstack.models.learning.loop import TrainingBatch, fit_epochs
from recstack.models.learning.schedule import Schedule

SCHEDULE = Schedule(epochs=6, patience=3, batch_size=16, learning_rate=0.03, weight_decay=1e-3)
TWO_EPOCHS = SCHEDULE.model_copy(update={"stop_after": 2})
ROWS = torch.arange(90)  # the last batch is smaller
FEATURES = torch.randn(90, 8, generator=torch.Generator().manual_seed(1))
TARGETS = FEATURES.sum(1, keepdim=True)


class Fit:
    """A small network with dropout; its loss uses the shared draws, and kills its process before a given batch."""

    def __init__(self, seed: int = 0, hidden: int = 16, die_before: int | None = None) -> None:
        torch.manual_seed(seed)
        self.module = nn.Sequential(nn.Linear(8, hidden), nn.ReLU(), nn.Dropout(0.3), nn.Linear(hidden, 1))
        self.seed = seed
        self.die_before = die_before
        self.batches: list[list[int]] = []
        self.noises: list[list[float]] = []
        self.losses: list[float] = []

    def loss(self, batch: TrainingBatch) -> Tensor:
        if self.die_before == len(self.batches):
            signal.raise_signal(signal.SIGKILL)
        noise = torch.rand(len(batch.rows), 1, generator=batch.draws)
        self.batches.append(batch.rows.tolist())
        self.noises.append(noise.flatten().tolist())
        rows = batch.rows[batch.share]
        error = self.module(FEATURES[rows]) - TARGETS[rows] + 0.1 * noise[batch.share]
        return error.square().sum() / len(batch.rows)

    def run(
        self,
        checkpoint: Path | None = None,
        validate: Callable[[], float] | None = None,
        schedule: Schedule = SCHEDULE,
    ) -> int:
        context = FitContext(
            seed=self.seed,
            on_epoch=lambda epoch: self.losses.append(epoch.metrics["loss"]),
            checkpoint=checkpoint,
        )
        return fit_epochs(self.module, ROWS, self.loss, schedule, context, model="a test", validate=validate)

    def weights(self) -> list[float]:
        return nn.utils.parameters_to_vector(self.module.parameters()).tolist()


def scores(values: list[float]) -> Callable[[], float]:
    remaining = iter(values)
    return lambda: next(remaining)


def test_the_loss_falls_and_every_row_is_learned_from_once_an_epoch() -> None:
    fit = Fit()
    fit.run()
    assert fit.losses[-1] < fit.losses[0] / 2
    per_epoch = len(fit.batches) // 6
    for epoch in range(6):
        batches = fit.batches[epoch * per_epoch : (epoch + 1) * per_epoch]
        assert sorted(row for batch in batches for row in batch) == ROWS.tolist()


def test_order_and_shared_draws_are_new_in_each_epoch() -> None:
    fit = Fit()
    fit.run()
    per_epoch = len(fit.batches) // 6
    assert len({tuple(fit.batches[epoch * per_epoch]) for epoch in range(6)}) == 6
    assert len({tuple(fit.noises[epoch * per_epoch]) for epoch in range(6)}) == 6


def test_the_reported_loss_is_the_mean_over_rows() -> None:
    fit = Fit()
    fit.run(schedule=Schedule(epochs=1, batch_size=90, learning_rate=0.0, weight_decay=0.0))
    torch.manual_seed(0)
    fit.module.eval()
    plain = (fit.module(FEATURES) - TARGETS).square().mean()
    assert fit.losses[0] == pytest.approx(float(plain.detach()), rel=0.2)  # dropout and noise are only in the former


def test_training_ends_with_the_weights_of_the_best_epoch() -> None:
    best = Fit()
    best.run(schedule=TWO_EPOCHS)
    fit = Fit()
    assert fit.run(validate=scores([0.1, 0.4, 0.3, 0.4, 0.2])) == 2
    assert len(fit.losses) == 5  # three epochs without a better score
    assert fit.weights() == best.weights()


def test_without_validation_the_last_epoch_counts() -> None:
    fit = Fit()
    assert fit.run() == 6
    assert not fit.module.training


def test_an_empty_validation_part_holds_nothing_back() -> None:
    fit, plain = Fit(), Fit()
    assert fit.run(validate=lambda: float("nan")) == 6
    plain.run()
    assert fit.weights() == plain.weights()


def test_seeds_reproduce_and_differ() -> None:
    first, again, other = Fit(), Fit(), Fit(seed=1)
    for fit in (first, again, other):
        fit.run()
    assert first.weights() == again.weights()
    assert first.weights() != other.weights()
    assert first.batches != other.batches


def test_random_draws_of_validation_do_not_change_the_result() -> None:
    fit, disturbed = Fit(), Fit()
    fit.run(validate=scores([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))

    def validate() -> float:
        torch.rand(100)
        return float(len(disturbed.losses))

    disturbed.run(validate=validate)
    assert disturbed.weights() == fit.weights()


def test_killed_in_an_epoch_and_resumed_ends_where_an_unbroken_run_ends(tmp_path: Path) -> None:
    checkpoint = tmp_path / "fit.pt"
    killed = subprocess.run([sys.executable, __file__, str(checkpoint), "15"], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert checkpoint.exists()
    unbroken, resumed = Fit(), Fit()
    unbroken.run()
    best_epoch = resumed.run(checkpoint)
    assert len(resumed.batches) == 4 * 6  # six batches an epoch: it went on in the third
    assert best_epoch == 6
    assert resumed.weights() == unbroken.weights()
    assert resumed.losses == unbroken.losses  # the curve is whole


def test_a_resumed_run_remembers_its_best_epoch_and_its_patience(tmp_path: Path) -> None:
    checkpoint = tmp_path / "fit.pt"
    first, resumed, unbroken = Fit(), Fit(), Fit()
    first.run(checkpoint, scores([0.5, 0.1]), TWO_EPOCHS)
    best_epoch = resumed.run(checkpoint, scores([0.2, 0.3]))
    unbroken.run(validate=scores([0.5, 0.1, 0.2, 0.3]))
    assert (best_epoch, len(resumed.batches)) == (1, 2 * 6)
    assert resumed.weights() == unbroken.weights()


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    checkpoint = tmp_path / "fit.pt"
    first, again = Fit(), Fit(seed=0)
    first.run(checkpoint)
    again.run(checkpoint)
    assert again.batches == []
    assert again.weights() == first.weights()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_checkpoint_cut_short_is_replaced_with_a_warning(
    tmp_path: Path, share: float, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = tmp_path / "fit.pt"
    unbroken, fit = Fit(), Fit()
    unbroken.run(checkpoint, schedule=TWO_EPOCHS)
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(len(content) * share)])
    with caplog.at_level(logging.WARNING):
        fit.run(checkpoint, schedule=TWO_EPOCHS)
    assert f"{checkpoint} can't be read, training starts from the beginning" in caplog.text
    assert fit.weights() == unbroken.weights()
    assert torch.load(checkpoint, weights_only=True)["epoch"] == 2


def test_a_checkpoint_of_another_model_is_refused_by_name(tmp_path: Path) -> None:
    checkpoint = tmp_path / "fit.pt"
    Fit(hidden=4).run(checkpoint)
    with pytest.raises(UserError, match=r"fit\.pt is of another model or other options; remove it"):
        Fit().run(checkpoint)


def test_a_checkpoint_that_holds_code_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return exec, (f"open({str(tmp_path / 'sprung')!r}, 'w')",)

    checkpoint = tmp_path / "fit.pt"
    torch.save({"module": Trap()}, checkpoint)
    Fit().run(checkpoint)
    assert not (tmp_path / "sprung").exists()


if __name__ == "__main__":
    Fit(die_before=int(sys.argv[2])).run(Path(sys.argv[1]))
