"""A candidate and a champion with another catalogue are ranked on the same targets, by models that did not see them."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tiny_catalogue as tiny
from workspace import Workspace

from recstack.archive.bundle import BundleError, Facts, IncompatibleBundle, write_bundle
from recstack.data.splits import TEST, TRAIN, VALIDATION
from recstack.evaluation.ranking import user_ndcg
from recstack.features.encode import Encoder
from recstack.models.base import FitContext
from recstack.models.popularity.model import Popularity
from recstack.models.training_data import TrainingData
from recstack.release.comparison import compare_with_champion
from recstack.storage.lake import Build


def published(folder: Path, shop: Workspace, data: TrainingData, encoder: Encoder, bundle: str = "bundle") -> Build:
    """Popularity on these data, with an encoder whose catalogue may lack items."""
    facts = Facts(
        model_version="1",
        dataset="shop",
        generation=shop.features.manifest["generation"],
        timed=True,
        scale=tiny.SCALE,
        config={},
        data_fingerprint="",
        run_id=None,
    )
    (folder / bundle).mkdir(parents=True)
    known = np.isin(data.encoder.item_ids, encoder.item_ids)
    model = Popularity.fit(data, FitContext())
    model = Popularity(model.counts[known])
    catalogue = pq.read_table(shop.ingested.path / "items")
    items = shop.table("item")
    write_bundle(folder / bundle, model, encoder, catalogue, items, facts)
    return Build(folder, {}, fresh=True)


@pytest.fixture(scope="module")
def data(shop: Workspace) -> TrainingData:
    return shop.experiment.data((TRAIN, VALIDATION))


def test_both_models_are_ranked_on_the_same_users_and_a_target_that_one_does_not_know_is_its_miss(
    shop: Workspace, data: TrainingData, tmp_path: Path
) -> None:
    cases = shop.experiment.cases(TEST)
    candidate = published(tmp_path / "candidate", shop, data, data.encoder)
    whole = data.encoder
    best = int(np.argmax(data.item_counts))
    fewer = Encoder(np.delete(whole.item_ids, best), whole.genres, whole.means, whole.deviations)
    champion = published(tmp_path / "champion", shop, data, fewer)
    compared = compare_with_champion(shop.experiment, candidate, champion.path)
    np.testing.assert_array_equal(compared.ours, user_ndcg(Popularity.fit(data, FitContext()), cases))
    assert len(compared.theirs) == cases.n_users
    assert compared.theirs.mean() < compared.ours.mean()
    hit = np.unique(cases.user_ids[cases.relevant_rows[cases.relevant == best]])
    users = np.unique(cases.user_ids)
    assert len(hit)
    assert (compared.theirs < compared.ours)[np.isin(users, hit)].any()


def test_equal_models_differ_for_no_user(shop: Workspace, data: TrainingData, tmp_path: Path) -> None:
    one, other = (published(tmp_path / name, shop, data, data.encoder) for name in ("one", "other"))
    compared = compare_with_champion(shop.experiment, one, other.path)
    np.testing.assert_array_equal(compared.ours, compared.theirs)


def test_the_judged_bundle_is_ranked_where_there_is_one(shop: Workspace, data: TrainingData, tmp_path: Path) -> None:
    candidate = published(tmp_path / "candidate", shop, data, data.encoder)
    champion = published(tmp_path / "champion", shop, data, data.encoder, bundle="judged")
    (champion.path / "bundle").mkdir()  # of the served model, which has seen the targets
    compared = compare_with_champion(shop.experiment, candidate, champion.path)
    np.testing.assert_array_equal(compared.ours, compared.theirs)


def test_a_champion_of_another_generation_of_feature_rows_cannot_be_kept(
    shop: Workspace, data: TrainingData, tmp_path: Path
) -> None:
    candidate, champion = (published(tmp_path / name, shop, data, data.encoder) for name in ("one", "other"))
    manifest = champion.path / "bundle" / "bundle.json"
    generation = shop.features.manifest["generation"]
    manifest.write_text(manifest.read_text().replace(generation, "aaaaaaaa"))
    with pytest.raises(IncompatibleBundle, match="reads feature rows of generation aaaaaaaa"):
        compare_with_champion(shop.experiment, candidate, champion.path)


def test_a_champion_whose_folder_is_gone_cannot_be_compared(
    shop: Workspace, data: TrainingData, tmp_path: Path
) -> None:
    candidate = published(tmp_path / "candidate", shop, data, data.encoder)
    with pytest.raises(BundleError, match="champion is gone"):
        compare_with_champion(shop.experiment, candidate, tmp_path / "champion")
