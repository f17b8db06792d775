import logging

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from snorkel.labeling import LabelingFunction

from lol_lightning import LoLDataModule, inspect_lfs, keyword_lf
from lol_lightning.features import BagOfWords, TableFeatures
from lol_lightning.features.explained import explained_shares, opaque_lfs, scaled_by_explained
from lol_lightning.features.mapped import MappedFeature
from lol_lightning.features.mapping import records_to_targets
from lol_lightning.features.strengths import Strength
from lol_lightning.features.vocabulary import FeatureMatch
from lol_lightning.inspection.surrogate import surrogate_records
from lol_lightning.lfs.record import InspectedFeature, LFRecord

RNG = np.random.default_rng(0)
WORDS = [f"word{i}" for i in range(60)]
ROWS = (RNG.random((500, 60)) < 0.1).astype(float)
TEXTS = [" ".join(np.array(WORDS)[row > 0]) or "nothing" for row in ROWS]
WEIGHTS = RNG.normal(size=60)
"""A sentiment score: each word counts a little."""


def sentiment(x):
    return 1 if sum(WEIGHTS[int(word[4:])] for word in x.text.split() if word.startswith("word")) > 1.5 else -1


def found(values, source="probed", label=1, lf=0):
    """Strengths of the first words for one LF and class, and the findings that they come from."""
    mapped = [
        MappedFeature(lf, InspectedFeature(WORDS[j], label, "token", value, source), FeatureMatch(((j,),), "mapped"))
        for j, value in enumerate(values)
    ]
    return {(lf, label, j): Strength(value, j) for j, value in enumerate(values)}, mapped


def oracle(values, votes, label=1):
    """The definition, row by row."""
    implied = []
    for row in ROWS:
        brings, takes = 1.0, 1.0
        for j, value in enumerate(values):
            if row[j] and value > 0:
                brings *= 1 - value
            if row[j] and value < 0:
                takes *= 1 + value
        implied.append((1 - brings) - (1 - takes))
    return max(np.corrcoef(implied, votes == label)[0, 1], 0) ** 2


@pytest.mark.parametrize("matrix", [ROWS, sp.csr_matrix(ROWS), sp.csr_array(3 * ROWS)])
@pytest.mark.parametrize("values", [[0.8], [0.9, 0.4, 0.7], [1.0, -1.0, 0.5, -0.3]])
def test_the_share_is_the_squared_correlation_with_what_the_entries_imply(matrix, values):
    votes = np.where(ROWS @ WEIGHTS + ROWS[:, 0] > 1, 1, -1)[:, None]
    strength, mapped = found(values)
    [(key, share)] = explained_shares(strength, mapped, matrix, votes).items()
    expected = oracle(values, votes[:, 0])
    assert key == (0, 1)
    assert share == pytest.approx(expected if expected >= 0.05 else 0, abs=1e-6)


def test_words_that_an_lf_looks_for_explain_all_of_its_votes():
    votes = np.where(ROWS[:, [0]] + ROWS[:, [1]] > 0, 1, -1)
    assert explained_shares(*found([1.0, 1.0]), ROWS, votes)[0, 1] == pytest.approx(1)
    unless = np.where(ROWS[:, [0]] > 0, -1, 1)
    assert explained_shares(*found([-1.0]), ROWS, unless)[0, 1] == pytest.approx(1)


def test_votes_that_do_not_follow_the_words_explain_nothing():
    constant, opposite = np.ones((500, 1), int), np.where(ROWS[:, [0]] > 0, -1, 1)
    for votes in (constant, opposite, RNG.permuted(opposite)):
        assert explained_shares(*found([0.9]), ROWS, votes) == {(0, 1): 0.0}
    assert explained_shares(*found([0.9]), np.zeros((500, 60)), opposite) == {(0, 1): 0.0}


def test_an_lf_that_does_not_vote_has_nothing_to_explain():
    assert explained_shares(*found([0.9]), ROWS, np.full((500, 1), -1)) == {}
    assert explained_shares(*found([0.9]), ROWS, np.where(ROWS[:, [0]] > 0, 0, -1)) == {}


def test_demands_of_rules_that_were_read_are_left_as_they_are():
    votes = RNG.permuted(np.where(ROWS[:, [0]] > 0, 1, -1))
    for source in ("declared", "traced"):
        strength, mapped = found([0.9], source)
        assert explained_shares(strength, mapped, ROWS, votes) == {}
        assert scaled_by_explained(strength, mapped, {}) == strength
    traced, mapped = found([0.9], "traced")
    assert explained_shares(traced, mapped, ROWS, votes, opaque={0}) == {(0, 1): 0.0}
    assert scaled_by_explained(traced, mapped, {(0, 1): 0.25})[0, 1, 0].value == pytest.approx(0.9 / 4)
    declared, mapped = found([0.9], "declared")
    assert explained_shares(declared, mapped, ROWS, votes, opaque={0}) == {}
    assert scaled_by_explained(declared, mapped, {(0, 1): 0.25}) == declared


def test_what_tracing_says_of_itself_makes_an_lf_opaque():
    records = [LFRecord("a"), LFRecord("b", notes=("x", "defeated tracing in part: 3 of 4 rows")), LFRecord("c")]
    assert opaque_lfs(records) == {1}


def test_columns_in_standard_deviations_are_left_as_they_are():
    table = pd.DataFrame({"age": RNG.normal(size=200)})
    space = TableFeatures()
    features = space.fit_transform(table)
    votes = np.where(table[["age"]].to_numpy() > 0.5, 1, -1)
    record = LFRecord("old", (InspectedFeature("age", 1, "column", 0.6, "probed"),))
    targets, audit = records_to_targets([record], space, 2, votes=votes, features=features)
    assert targets.value.tolist() == pytest.approx([0.6])
    assert audit.explained.isna().all()


def test_an_opaque_lf_demands_less_and_a_keyword_lf_does_not(caplog):
    table = pd.DataFrame({"text": TEXTS})
    keyword = LabelingFunction("keyword", lambda x: 1 if "word7 " in x.text + " " else -1)
    lfs = [LabelingFunction("sentiment", sentiment), keyword, keyword_lf("declared", ["word9"], label=0, match="token")]
    found = inspect_lfs(lfs, table, traced=False, progress_bar=False)
    with caplog.at_level(logging.INFO):
        data = LoLDataModule(table, lfs=lfs, records=found, progress_bar=False)
        data.setup("fit")
    lines = [line for line in caplog.messages if "explains a part of their votes" in line]
    assert len(lines) == 1
    assert "1 LFs" in lines[0]
    assert "'sentiment' (0." in lines[0]
    audit = data.audit
    explained = audit.groupby("lf", sort=False).explained.max()
    assert 0.05 < explained["sentiment"] < 0.6
    assert explained["keyword"] > 0.95
    assert np.isnan(explained["declared"])
    remarks = audit.remark.str.contains("; opaque: what was found explains 0.")
    assert (remarks == (audit.lf == "sentiment")).all()
    plain, _ = records_to_targets(data.records, data.feature_space, 2)
    ratio = (data.gradient_targets.value / plain.value).numpy()
    np.testing.assert_allclose(ratio[plain.lf == 0], explained["sentiment"], rtol=1e-5)
    np.testing.assert_allclose(ratio[plain.lf == 1], explained["keyword"], rtol=1e-5)


def test_a_surrogate_counts_by_how_much_it_explains():
    space = BagOfWords()
    features = space.fit_transform(TEXTS)
    votes = np.stack([np.where(ROWS[:, 3] > 0, 1, -1), np.where(ROWS @ WEIGHTS > 1.5, 1, -1)], axis=1)
    records = surrogate_records(votes, features, space)
    plain, _ = records_to_targets(records, space, 2)
    scaled, audit = records_to_targets(records, space, 2, votes=votes, features=features)
    explained = audit.groupby("lf", sort=False).explained.max()
    assert explained["lf_0"] > 0.95
    assert explained["lf_1"] < 0.8
    for lf, share in enumerate(explained):
        np.testing.assert_allclose(scaled.value[scaled.lf == lf], plain.value[plain.lf == lf] * share, rtol=1e-5)
