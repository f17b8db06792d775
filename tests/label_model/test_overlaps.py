import numpy as np
import pytest
from snorkel.synthetic.synthetic_data import generate_simple_label_matrix

from lol_lightning.label_model.overlaps import overlap_misfit, vote_indicators


def loop_misfit(votes, table, balance):
    squares = variance = 0.0
    num_rows, num_lfs = votes.shape
    for lf in range(num_lfs):
        for other in range(lf):
            for vote in range(len(balance)):
                for answer in range(len(balance)):
                    observed = sum((row[lf] == vote) and (row[other] == answer) for row in votes)
                    joint = [
                        table[lf, vote + 1, k] * table[other, answer + 1, k] * balance[k] for k in range(len(balance))
                    ]
                    expected = num_rows * sum(joint)
                    squares += (observed - expected) ** 2
                    variance += expected * (1 - expected / num_rows)
    return squares / variance


@pytest.mark.parametrize("num_classes", [2, 3])
def test_misfit_equals_loops_over_pairs(num_classes):
    np.random.seed(0)
    table, _, votes = generate_simple_label_matrix(80, 4, num_classes)
    balance = np.arange(1, num_classes + 1) / np.arange(1, num_classes + 1).sum()
    assert overlap_misfit(votes, table, balance) == pytest.approx(loop_misfit(votes, table, balance))


@pytest.mark.parametrize("abstaining", [1.0, 10.0])
def test_independent_lfs_are_about_chance_off_and_copies_far(abstaining):
    misfits = []
    for seed in range(6):
        np.random.seed(seed)
        table, _, votes = generate_simple_label_matrix(2000, 6, 2, abstaining)
        misfits.append(overlap_misfit(votes, table, np.array([0.5, 0.5])))
        copied, tables = votes[:, [0, 1, 2, 3, 4, 5, 0]], table[[0, 1, 2, 3, 4, 5, 0]]
        assert overlap_misfit(copied, tables, np.array([0.5, 0.5])) > 5 * misfits[-1]
    assert 0.5 < np.mean(misfits) < 2


def test_nothing_to_compare_is_infinitely_far():
    table = np.full((1, 3, 2), 1 / 3)
    assert overlap_misfit(np.array([[1], [0]]), table, np.array([0.5, 0.5])) == float("inf")


def test_indicators_hold_one_column_for_each_lf_and_class():
    votes = np.array([[2, -1], [-1, 0], [1, 1]])
    expected = np.zeros((3, 6))
    expected[0, 2] = expected[1, 3] = expected[2, 1] = expected[2, 4] = 1
    indicators = vote_indicators(votes, 3)
    np.testing.assert_array_equal(indicators.toarray(), expected)
    assert indicators.nnz == 4
