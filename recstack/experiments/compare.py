"""Several models on the same rankings, each fitted once a seed: the table that decides."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recstack.archive.bundle import Bundle
from recstack.data.splits import TRAIN, VALIDATION
from recstack.errors import choose
from recstack.evaluation.ranking import Ranking, rank
from recstack.evaluation.ratings import rating_errors, rating_metrics
from recstack.evaluation.report.report import Curve, Report, report
from recstack.features.arrays import Doubles
from recstack.models import models
from recstack.models.base import Epoch, FitContext
from recstack.models.rating_model import RatingModel
from recstack.training.experiment import Experiment
from recstack.training.train import train, validation_cases


def compare(
    experiment: Experiment,
    names: Sequence[str],
    *,
    seeds: int = 1,
    fitted: Bundle | None = None,
    learned: Sequence[Epoch] = (),
    champion: str | None = None,
    options: Mapping[str, dict[str, Any]] | None = None,
    say: Callable[[str], None] = print,
) -> Report:
    """Fit and evaluate on the test part.

    Args:
        experiment: the features.
        names: models to compare.
        seeds: fits of each model. The number of epochs is found once, with seed 0.
        fitted: a model that is trained already and stands for seed 0 of its name; it sees the items as they were
            at the end of training, not as its bundle has them.
        learned: learning curve of `fitted`.
        champion: the model that the others are compared with; None takes the best.
        options: of the models' `Config`, by model name; defaults where nothing is said.
        say: told what is going on, a line a fit.
    """
    rankings: dict[str, list[Ranking]] = {}
    errors: dict[str, list[Doubles]] = {}
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
            first, chosen, epochs = fitted.model(data.items), fitted.manifest.facts.config, learned
        else:
            trained = train(experiment, name, options=(options or {}).get(name))
            first, chosen, epochs = trained.model, trained.options, trained.epochs
        if epochs:
            curves[name] = [epoch.metrics for epoch in epochs]
        rankings[name] = []
        for seed in range(seeds):
            model = models()[name].fit(data, FitContext(seed, chosen)) if seed else first
            rankings[name].append(rank(model, cases))
            if isinstance(model, RatingModel):
                errors.setdefault(name, []).append(rating_errors(model, cases))
            seconds[name] = round(time.monotonic() - start, 2)
            say(f"{name}: fit {seed + 1} of {seeds} is evaluated after {seconds[name]:.1f} s")
    dataset = experiment.settings.dataset
    ratings = {name: rating_metrics(cases, runs) for name, runs in errors.items()}
    return report(dataset, cases, rankings, seconds, champion, curves, ratings)
