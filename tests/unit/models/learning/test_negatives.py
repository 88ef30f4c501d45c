import numpy as np
import pytest
import torch

from recstack.models.learning.negatives import NegativeSampler, OwnNegatives

COUNTS = torch.tensor([0, 1, 4, 9, 16, 25, 0, 100])  # interactions of each item; two items were never chosen
POSITIVES = COUNTS.nonzero().flatten().repeat_interleave(COUNTS[COUNTS > 0])
USERS = torch.arange(len(POSITIVES)) // 5


def sampler(exponent: float) -> NegativeSampler:
    return NegativeSampler(USERS, POSITIVES, len(COUNTS), exponent)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_items_are_drawn_in_proportion_to_popularity_to_the_exponent(exponent: float) -> None:
    draws = generator()
    single = [int(sampler(exponent).draw(1, draws)[0]) for _ in range(4000)]
    weights = np.where(COUNTS > 0, COUNTS.double().numpy() ** exponent, 0)
    np.testing.assert_allclose(np.bincount(single, minlength=8) / 4000, weights / weights.sum(), atol=0.03)


def test_items_outside_the_training_part_are_never_drawn() -> None:
    items, _ = sampler(0.0).draw(10_000, generator())
    assert items.tolist() == [1, 2, 3, 4, 5, 7]


def test_drawn_items_are_distinct_and_ascend() -> None:
    items, inclusion = sampler(0.5).draw(12, generator())
    assert (items[1:] > items[:-1]).all()
    assert inclusion.shape == items.shape


def test_the_log_inclusion_is_how_often_an_item_is_among_the_draws() -> None:
    subject, draws, rounds = sampler(0.75), generator(), 4000
    found, claimed = np.zeros(8), np.zeros(8)
    for _ in range(rounds):
        items, inclusion = subject.draw(6, draws)
        found[items] += 1
        claimed[items] = inclusion.exp()
    np.testing.assert_allclose(found / rounds, claimed, atol=0.03)
    assert 0.02 < claimed[1] < 0.5 < claimed[7]  # both a rare and a nearly certain item were tried


def test_an_item_that_is_always_drawn_needs_no_correction() -> None:
    only = NegativeSampler(torch.tensor([0]), torch.tensor([3]), 5, 1.0)
    items, inclusion = only.draw(8, generator())
    assert items.tolist() == [3]
    assert inclusion.tolist() == [0.0]


def test_a_rare_item_of_a_large_catalogue_keeps_a_finite_correction() -> None:
    positives = torch.cat([torch.zeros(1_000_000, dtype=torch.long), torch.arange(2_000)])
    subject = NegativeSampler(torch.zeros_like(positives), positives, 2_000, 1.0)
    _, inclusion = subject.draw(4096, generator())
    assert torch.isfinite(inclusion).all()


def test_known_is_true_exactly_for_the_users_own_positives() -> None:
    random = np.random.default_rng(0)
    user = torch.from_numpy(np.sort(random.integers(0, 30, 400)))
    item = torch.from_numpy(random.integers(0, 50, 400))
    subject = NegativeSampler(user, item, 50, 0.5)
    batch = torch.from_numpy(random.integers(0, 30, 64))
    items, _ = subject.draw(40, generator())
    positives = set(zip(user.tolist(), item.tolist(), strict=True))
    expected = [[(u, i) in positives for i in items.tolist()] for u in batch.tolist()]
    known = torch.zeros(64, len(items), dtype=torch.bool)
    known[subject.known(batch, items)] = True
    assert known.tolist() == expected


def test_an_empty_batch_has_no_known_positives() -> None:
    row, column = sampler(0.5).known(torch.zeros(0, dtype=torch.long), torch.tensor([1, 2]))
    assert len(row) == len(column) == 0


def test_each_draw_is_new_and_follows_from_the_generator() -> None:
    user, item = torch.zeros(1000, dtype=torch.long), torch.arange(1000)
    subject, draws, again = NegativeSampler(user, item, 1000, 0.5), generator(7), generator(7)
    first, second = (subject.draw(50, draws)[0].tolist() for _ in range(2))
    assert first != second
    assert [subject.draw(50, again)[0].tolist() for _ in range(2)] == [first, second]


class TestOwnNegatives:
    def test_they_are_drawn_uniformly_over_the_catalogue_or_by_popularity(self) -> None:
        nobody = torch.full((4000,), int(USERS.max()) + 1)
        for exponent in (0.0, 1.0):
            drawn, fit = OwnNegatives(USERS, POSITIVES, 8, exponent).draw(nobody, 4, generator())
            assert fit.all()
            weights = COUNTS.clamp(min=1).numpy() ** exponent
            np.testing.assert_allclose(
                np.bincount(drawn.flatten(), minlength=8) / 16_000, weights / weights.sum(), atol=0.02
            )

    def test_a_known_positive_is_never_fit_and_nothing_else_is_unfit(self) -> None:
        positives = set(zip(USERS.tolist(), POSITIVES.tolist(), strict=True))
        users = torch.unique(USERS).repeat(20)
        drawn, fit = OwnNegatives(USERS, POSITIVES, 8, 1.0).draw(users, 3, generator())
        expected = [
            [(u, i) not in positives for i in row] for u, row in zip(users.tolist(), drawn.tolist(), strict=True)
        ]
        assert fit.tolist() == expected
        assert fit.float().mean() > 0.9  # unfit ones were drawn again

    def test_a_user_who_chose_everything_has_no_negatives(self) -> None:
        _, fit = OwnNegatives(torch.zeros(8, dtype=torch.long), torch.arange(8), 8, 0.0).draw(
            torch.zeros(5, dtype=torch.long), 4, generator()
        )
        assert not fit.any()

    def test_each_draw_is_new_and_follows_from_the_generator(self) -> None:
        subject, draws, again = OwnNegatives(USERS, POSITIVES, 8, 0.0), generator(7), generator(7)
        users = torch.zeros(50, dtype=torch.long)
        first, second = (subject.draw(users, 4, draws)[0].tolist() for _ in range(2))
        assert first != second
        assert [subject.draw(users, 4, again)[0].tolist() for _ in range(2)] == [first, second]
