"""Several models on the same rankings, each fitted once a seed: the table that decides."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recstack.archive.bundle import Bundle
from recstack.errors import choose
from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.ranking import Ranking, rank
from recstack.evaluation.report import Curve, Report, report
from recstack.models import models
from recstack.models.base import Progress
from recstack.splits import TRAIN, VALIDATION
from recstack.training.experiment import Experiment
from recstack.training.train import train, validation_cases


@dataclass(frozen=True)
class Comparison:
    """A report and what it was made of."""

    report: Report
    cases: EvaluationSet
    rankings: dict[str, list[Ranking]]


def compare(
    experiment: Experiment,
    names: Sequence[str],
    *,
    seeds: int = 1,
    fitted: Bundle | None = None,
    learned: Sequence[Progress] = (),
    champion: str | None = None,
    say: Callable[[str], None] = print,
) -> Comparison:
    """Fit and evaluate on the test part.

    Args:
        experiment: the features.
        names: models to compare.
        seeds: fits of each model. The number of epochs is found once, with seed 0.
        fitted: a model that is trained already and stands for seed 0 of its name; it sees the items as they were
            at the end of training, not as its bundle has them.
        learned: learning curve of `fitted`.
        champion: the model that the others are compared with; None takes the best.
        say: told what is going on, a line a fit.
    """
    rankings: dict[str, list[Ranking]] = {}
    seconds: dict[str, float] = {}
    curves: dict[str, Curve] = {}
    for name in names:
        choose("model", name, models())
    if champion is not None:
        choose("compared model", champion, dict.fromkeys(names))
    data = experiment.data((TRAIN, VALIDATION))
    cases = experiment.cases("test")
    validation_cases(experiment)  # made once for all models, and not on the first one's time
    for name in names:
        start = time.monotonic()
        if fitted is not None and fitted.manifest.model == name:
            first, options, epochs = fitted.model(data.items), fitted.manifest.facts.config, learned
        else:
            trained = train(experiment, name)
            first, options, epochs = trained.model, trained.options, trained.epochs
        if epochs:
            curves[name] = [progress.metrics for progress in epochs]
        rankings[name] = []
        for seed in range(seeds):
            model = models()[name].fit(data, seed=seed, options=options) if seed else first
            rankings[name].append(rank(model, cases))
            seconds[name] = round(time.monotonic() - start, 2)
            say(f"{name}: fit {seed + 1} of {seeds} is evaluated after {seconds[name]:.1f} s")
    dataset = experiment.settings.dataset
    return Comparison(report(dataset, cases, rankings, seconds, champion, curves), cases, rankings)
