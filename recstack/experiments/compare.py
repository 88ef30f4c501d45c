"""Fits several models, once per seed, and evaluates all of them on the same rankings."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from recstack.archive.bundle import Bundle
from recstack.data.numbering import words_of
from recstack.data.splits import BEFORE_TEST, TEST
from recstack.errors import choose
from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.evaluation.ranking import Ranking, rank, user_ndcg
from recstack.evaluation.ratings import rating_errors, rating_metrics
from recstack.evaluation.report.report import Curve, Report, build_report
from recstack.evaluation.staleness import figures, named
from recstack.evaluation.target_ranks import target_ranks
from recstack.features.arrays import Doubles
from recstack.models import models
from recstack.models.base import Epoch, FitContext, Recommender
from recstack.models.rating_model import RatingModel
from recstack.progress import say, working
from recstack.storage.lake import replace_atomically
from recstack.training.experiment import Experiment
from recstack.training.train import train, validation_cases


@dataclass(frozen=True)
class _Results:
    """What `build_report` needs, by model name."""

    rankings: dict[str, list[Ranking]] = field(default_factory=dict)
    errors: dict[str, list[Doubles]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    ndcg: dict[str, dict[str, list[Doubles]]] = field(default_factory=dict)
    """By staleness first."""

    def add(
        self, name: str, model: Recommender, cases: EvaluationSet, others: Mapping[str, EvaluationSet], fit: str
    ) -> None:
        """Evaluate one fit of a model, also with histories of other ages; `fit` is its name in the progress report."""
        self.rankings.setdefault(name, []).append(rank(model, cases, name=fit))
        for staleness, stale in others.items():
            by_model = self.ndcg.setdefault(staleness, {})
            by_model.setdefault(name, []).append(user_ndcg(model, stale))
        if isinstance(model, RatingModel):
            self.errors.setdefault(name, []).append(rating_errors(model, cases))


def compare(
    experiment: Experiment,
    names: Sequence[str],
    *,
    seeds: int = 1,
    candidate: Bundle | None = None,
    candidate_curve: Sequence[Epoch] = (),
    reference: str | None = None,
    options: Mapping[str, dict[str, Any]] | None = None,
    staleness: Sequence[str] | None = None,
    ranks: Path | None = None,
) -> Report:
    """Fit models and evaluate them on the test part; prints a line per fit.

    Args:
        experiment: the features, the protocol and the target.
        names: models to compare.
        seeds: fits of each model. The number of epochs is found once, with seed 0.
        candidate: a trained model that is used instead of the first fit of its name. It gets the item features as of
            the end of training, like all others, not those of its bundle.
        candidate_curve: its learning curve.
        reference: the model that the others are compared with; None takes the best.
        options: fields of the models' `Config`, by model name; defaults for all others.
        staleness: ages of histories to show side by side, names of `STALENESS`; None takes all in global-time and none
            in other protocols. All other figures are at the age that histories have in the training rows.
        ranks: Parquet file for the rank of every target, see `target_ranks`; None writes none.

    Raises:
        UserError: no such model or staleness, the reference is not among `names`, or the protocol ignores time.
        DataError: the test part has nothing to evaluate.
    """
    for name in names:
        choose("model", name, models())
    if reference is not None:
        choose("reference", reference, dict.fromkeys(names))
    ages = named(staleness, experiment.protocol)
    data = experiment.data(BEFORE_TEST)
    cases = experiment.cases(TEST)
    others = {age: experiment.cases(TEST, age) for age in ages if age != experiment.staleness}
    validation_cases(experiment)  # all models use it: computed here, it counts to no model's time
    results = _Results()
    for name in names:
        start = time.monotonic()
        with working(f"evaluate: fitting {name}, 1 of {seeds}"):
            if candidate is not None and candidate.manifest.model == name:
                model = candidate.model(data.items)
                chosen, epochs = candidate.manifest.facts.config, candidate_curve
            else:
                trained = train(experiment, name, options=(options or {}).get(name))
                model, chosen, epochs = trained.model, trained.options, trained.epochs
        if epochs:
            results.curves[name] = [epoch.metrics for epoch in epochs]
        for seed in range(seeds):
            fit = f"{seed + 1} of {seeds}"
            if seed:
                with working(f"evaluate: fitting {name}, {fit}"):
                    model = models()[name].fit(data, FitContext(seed, chosen))
            results.add(name, model, cases, others, f"evaluate: {name}, fit {fit}")
            results.seconds[name] = round(time.monotonic() - start, 2)
            say(f"{name}: fit {fit} evaluated after {results.seconds[name]:.1f} s")
    if ranks is not None:
        table = target_ranks(cases, results.rankings, data.encoder.item_ids, words_of(experiment.ingested.path))
        replace_atomically(ranks, lambda draft: pq.write_table(table, draft))
    with working("evaluate: 95 % intervals by resampling users"):
        by_staleness = {age: figures(others[age], results.ndcg[age]) for age in others}
        return build_report(
            experiment.settings.dataset,
            cases,
            results.rankings,
            results.seconds,
            reference,
            results.curves,
            {name: rating_metrics(cases, runs) for name, runs in results.errors.items()},
            experiment.staleness,
            by_staleness,
        )
