"""The one table of labeling functions."""

import numpy as np
import pandas as pd
import pytest
from snorkel.labeling import LFAnalysis

from lol_lightning.functional import GradientTargets
from lol_lightning.inspection import LFInspection, lf_summary
from lol_lightning.lfs import InspectedFeature, LFRecord

SNORKELS = ["j", "Polarity", "Coverage", "Overlaps", "Conflicts"]
OURS = ["Inspected", "Sources", "Agreement", "Opposed by", "Notes"]


@pytest.mark.parametrize("seed", range(5))
def test_numbers_equal_snorkels(seed):
    rng = np.random.default_rng(seed)
    votes = rng.integers(-1, 3, size=(50, 4)) * (rng.random((50, 4)) < 0.7)
    votes[:, 3] = -1
    records = [LFRecord(name) for name in "abcd"]
    # As floats: Snorkel's products of integer matrices are on their way out of SciPy.
    expected = LFAnalysis(votes.astype(float), records).lf_summary()
    summary = lf_summary(votes, records)
    assert expected.columns.tolist() == SNORKELS
    numbers = [name for name in SNORKELS if name != "Polarity"]
    pd.testing.assert_frame_equal(summary[numbers], expected[numbers])
    assert summary.Polarity.tolist() == [[int(label) for label in labels] for labels in expected.Polarity]
    pd.testing.assert_frame_equal(summary, LFInspection(records, votes).summary())


def test_columns_are_the_same_with_and_without_targets():
    records = [LFRecord("a", (InspectedFeature("win", 1), InspectedFeature("cash", 1))), LFRecord("b")]
    votes = np.array([[1, -1], [1, 0]])
    targets = GradientTargets.from_entries([(0, 1, 0, 1.0), (0, 1, 1, 1.0)], 2, 2, 2)
    assert lf_summary(votes, records).columns.tolist() == SNORKELS + OURS
    summary = lf_summary(votes, records, targets)
    assert summary.columns.tolist() == SNORKELS + OURS[:-1] + ["Targets", "Notes"]
    assert summary.Targets.tolist() == [2, 0]
    assert summary.Inspected.tolist() == ["win 1.00, cash 1.00", ""]


def test_rows_without_a_vote_count_where_their_number_is_passed():
    votes = np.array([[1, -1], [1, 0]])
    summary = lf_summary(votes, [LFRecord("a"), LFRecord("b")], num_rows=4)
    assert summary.Coverage.tolist() == [0.5, 0.25]
    assert summary.Overlaps.tolist() == summary.Conflicts.tolist() == [0.25, 0.25]


def test_no_rows():
    summary = lf_summary(np.empty((0, 1), dtype=np.int64), [LFRecord("a")])
    assert summary.Coverage.tolist() == [0.0]
    assert summary.Polarity.tolist() == [[]]
