"""Takes one user out of the lake, the online store and the object store, and keeps them out.

The order makes a second call complete one that was killed: the list of forgotten users comes first, and the versions
that tell by which number the user was known go last.
"""

import shutil
from pathlib import Path

from pyspark.sql import SparkSession

from recstack.data.forgotten import FOLDER, forgotten_users, publish
from recstack.erasure.old_versions import OldVersions, sweep_drafts
from recstack.erasure.report import ErasureReport, to_do
from recstack.erasure.without import has_words, without
from recstack.errors import UserError
from recstack.feature_store.registry import remove_user_rows, replace_tables
from recstack.features.build import build_features
from recstack.features.options import FeatureOptions
from recstack.progress import say
from recstack.settings import Settings
from recstack.spark import open_session
from recstack.storage.lake import NO_REMOTE, Build, Remote, current, versions
from recstack.storage.remote import remote_of


def forget(settings: Settings, spark: SparkSession, user: str, remote: Remote = NO_REMOTE) -> ErasureReport:
    """Forget a user: no current version, online row, number or old version knows them afterwards.

    Nothing else should write to the lake meanwhile. A second call completes one that was interrupted.

    Args:
        settings: the dataset and its stores.
        spark: a session.
        user: the id as the source has it, a word or a number.
        remote: the object store's copy of the lake.

    Raises:
        UserError: there is nothing of this dataset, or no version knows this user. Nothing was changed.
    """
    lake = settings.lake
    ingested, features = _current(settings, "interactions", remote), _current(settings, "features", remote)
    if ingested is None:
        raise UserError(f"there is nothing of the dataset {settings.dataset!r} in {lake}: correct --dataset")
    words = has_words(ingested)
    name = user.strip() if words else _number(user, settings.dataset)
    listed = forgotten_users(lake, remote)
    forgotten = listed.with_user(name)
    sweep_drafts(lake)
    old = OldVersions(spark, lake, remote, forgotten, forgotten.alone(name))
    if name not in listed and not old.known:  # a typing error should not look like a success
        raise UserError(
            f"no version of {settings.dataset!r} knows a user {user!r}, so nothing was changed: check the id"
        )
    removed = []
    publish(forgotten, lake, remote)
    if name not in listed:
        removed.append(f"the user's id from all that is ingested from now on (list {lake / FOLDER})")

    if old.numbers[ingested.path.name]:
        before = ingested.manifest["interactions"]["rows"]
        ingested = without(spark, ingested, forgotten, remote)
        lost = before - ingested.manifest["interactions"]["rows"]
        removed.append(f"{lost:,} interactions and the entry of the numbering; current is now {ingested.path}")
    if features is not None:
        features = _features_again(spark, ingested, features, remote)
        numbers = set().union(*old.numbers.values(), [] if words else [int(name)])
        removed += _online(settings, features, sorted(numbers))
    removed += old.remove({build.path.name for build in (ingested, features) if build is not None})
    removed += _caches(settings)
    has_store = remote is not NO_REMOTE
    left = to_do(settings.dataset, _models(lake, features), settings.feast_online, has_store)
    return ErasureReport(settings.dataset, tuple(removed), left)


def forget_from_here(settings: Settings, user: str) -> ErasureReport:
    """The same with a session and a remote of its own.

    Raises:
        UserError: see `forget`.
    """
    remote = remote_of(settings.object_store, settings.object_store_endpoint, settings.dataset)
    return forget(settings, open_session(settings.spark_master, settings.spark_driver_memory), user, remote)


def _current(settings: Settings, output: str, remote: Remote) -> Build | None:
    root = settings.lake / output
    remote.fetch_current(root)
    try:
        return current(root)
    except FileNotFoundError:
        return None


def _number(user: str, dataset: str) -> str:
    try:
        return str(int(user))
    except ValueError:
        raise UserError(f"users of {dataset!r} have numbers for ids, and {user!r} is none: correct --user") from None


def _features_again(spark: SparkSession, ingested: Build, features: Build, remote: Remote) -> Build:
    """The current features, with their own options, of other interactions."""
    inputs = features.manifest["inputs"]
    options = FeatureOptions.model_validate({name: inputs[name] for name in FeatureOptions.model_fields})
    return build_features(spark, ingested, features.path.parent, options, remote)


def _online(settings: Settings, features: Build, user_ids: list[int]) -> list[str]:
    """Remove the user's rows from all generations, then make the newest one equal to these features."""
    rows = remove_user_rows(settings, user_ids)
    replace_tables(settings, features.path)
    where = settings.feast_online.split(",")[0]
    return [f"{rows} rows from the online store ({where}), in all generations"] if rows else []


def _caches(settings: Settings) -> list[str]:
    """Comparisons of models, and trainings that were interrupted: both can be computed again."""
    found = [*sorted((settings.recstack_home / "evaluations").glob(f"*/{settings.dataset}"))]
    found += [path for path in [settings.lake / "models" / "checkpoints"] if path.exists()]
    for path in found:
        shutil.rmtree(path)
        say(f"forget: removed {path}")
    return [f"{path}, which can be computed again" for path in found]


def _models(lake: Path, features: Build | None) -> list[str]:
    """Versions of models that learned from other features than the current ones."""
    current_features = None if features is None else features.path.name
    found = versions(lake / "models")
    return [build.path.name for build in found if build.manifest["inputs"]["features"] != current_features]
