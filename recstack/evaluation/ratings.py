"""RMSE and MAE of predicted against held-out ratings, for models that predict ratings."""

from collections.abc import Sequence

import numpy as np

from recstack.evaluation.bootstrap import TAIL, resampled_means
from recstack.evaluation.estimates import Estimate, Metrics
from recstack.evaluation.evaluation_set import EvaluationSet
from recstack.features.arrays import Doubles
from recstack.models.rating_model import RatingModel


def rating_errors(model: RatingModel, cases: EvaluationSet, batch_size: int = 512) -> Doubles:
    """[P] predicted minus given rating of every target; NaN for items outside the catalogue.

    Items that are not in training count as well. Sampled candidates play no role.

    Args:
        model: the trained model.
        cases: N rankings; their P targets are the ratings to predict.
        batch_size: users rated at once; a batch holds [batch_size, I] ratings.

    Raises:
        ValueError: a prediction is NaN or infinite.
    """
    errors = np.full(len(cases.positions), np.nan)
    for start in range(0, len(cases), batch_size):
        rows = slice(start, min(start + batch_size, len(cases)))
        offsets = cases.relevant_offsets[rows.start : rows.stop + 1]
        mine = slice(offsets[0], offsets[-1])
        owners = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        predicted = model.rate(cases.given_users[rows])[owners, cases.positions[mine]].astype(np.float64)
        if not np.isfinite(predicted).all():
            raise ValueError(f"{model.name} predicted ratings that are NaN or infinite")
        errors[mine] = np.where(cases.positions[mine] >= 0, predicted - cases.ratings[mine], np.nan)
    return errors


def rating_metrics(cases: EvaluationSet, runs: Sequence[Doubles]) -> Metrics:
    """RMSE and MAE over all held-out ratings; `user_rmse` and `user_mae`, within a user first and then over users.

    Intervals come from resampling users (`bootstrap.resampled_means`): ratings of one user are not independent.

    Args:
        cases: the rankings.
        runs: `rating_errors` of one model, one array for each training seed.

    Returns:
        By metric; empty if no target lies in the catalogue.
    """
    in_catalogue = cases.positions >= 0
    if not in_catalogue.any():
        return {}
    _, owner = np.unique(cases.user_ids[cases.relevant_rows[in_catalogue]], return_inverse=True)
    counts = np.bincount(owner).astype(np.float64)
    by_seed, resampled = [], []
    for run in runs:
        error = run[in_catalogue]
        squares, absolute = np.bincount(owner, error**2), np.bincount(owner, np.abs(error))
        users = np.stack([counts, squares, absolute, np.sqrt(squares / counts), absolute / counts], axis=1)
        by_seed.append(_figures(users.mean(axis=0)))
        resampled.append(_figures(resampled_means(users)))
    low, high = np.percentile(np.mean(resampled, axis=0), [TAIL, 100 - TAIL], axis=0)
    found = {}
    for column, name in enumerate(("rmse", "mae", "user_rmse", "user_mae")):
        per_seed = [float(figures[column]) for figures in by_seed]
        mean = float(np.mean(per_seed))
        found[name] = Estimate(mean, min(float(low[column]), mean), max(float(high[column]), mean), per_seed)
    return found


def _figures(means: Doubles) -> Doubles:
    """[..., 4] RMSE, MAE, user RMSE and user MAE, from [..., 5] means over users."""
    count, squares, absolute, user_rmse, user_mae = np.moveaxis(means, -1, 0)
    figures: Doubles = np.stack([np.sqrt(squares / count), absolute / count, user_rmse, user_mae], axis=-1)
    return figures
