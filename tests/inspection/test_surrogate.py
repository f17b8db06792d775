import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.special import expit
from sklearn.feature_extraction.text import CountVectorizer

from lol_lightning.exceptions import VotesError
from lol_lightning.inspection.surrogate import _derivative, surrogate_records

SPACE = SimpleNamespace(feature_names=[f"w{i}" for i in range(20)])


def words(num_rows=400, seed=0):
    return (np.random.default_rng(seed).random((num_rows, 20)) < 0.2).astype(np.float32)


def test_the_words_behind_the_votes_are_found_for_each_class():
    x = words()
    votes = np.where(x[:, 3] > 0, 1, np.where(x[:, 5] > 0, 0, -1))[:, None]
    [record] = surrogate_records(votes, sp.csr_matrix(x), SPACE, ["lf"])
    found = {(f.term, f.label): f for f in record.features}
    assert found["w3", 1].value > 0.7
    assert found["w5", 0].value > 0.5
    assert found["w3", 1].support == (votes == 1).sum()
    assert {f.source for f in record.features} == {"surrogate"}
    assert {f.kind for f in record.features} == {"entry"}
    assert [note.split(":")[0] for note in record.notes] == ["surrogate for class 0", "surrogate for class 1"]


def test_a_word_against_the_vote_is_negative():
    x = words(2000)
    votes = np.where((x[:, 0] + x[:, 1] > 0) & (x[:, 2] == 0), 1, -1)[:, None]
    # Where the LF votes, w2 is absent: only noise lets a model of the votes see a derivative there.
    votes[np.random.default_rng(1).random(2000) < 0.03] = 1
    found = {f.term: f.value for f in surrogate_records(votes, x, SPACE)[0].features}
    assert found["w2"] < -0.3 < 0.3 < found["w0"]


def test_the_strength_is_the_discrete_derivative_of_the_model():
    x, w, b = words(50), np.random.default_rng(1).normal(size=20), -0.3
    value, support = _derivative(sp.csr_matrix(x), w, b)
    for j in range(20):
        rows = x[x[:, j] > 0]
        without = rows.copy()
        without[:, j] = 0
        assert support[j] == len(rows)
        assert value[j] == pytest.approx((expit(rows @ w + b) - expit(without @ w + b)).mean())


def test_votes_that_no_word_explains_are_refused():
    votes = np.where(np.random.default_rng(2).random(400) < 0.3, 1, -1)[:, None]
    [record] = surrogate_records(votes, words(), SPACE)
    assert record.features == ()
    assert record.notes[0].startswith("no surrogate for class 1: held-out AUC")


def test_a_weak_surrogate_is_called_weak():
    x = words(2000)
    votes = np.where((x[:, 0] > 0) ^ (np.random.default_rng(3).random(2000) < 0.12), 1, -1)[:, None]
    [record] = surrogate_records(votes, x, SPACE)
    assert record.notes[0].startswith("weak surrogate")
    assert record.features[0].term == "w0"


def test_too_few_votes_say_nothing():
    votes = np.full((400, 1), -1)
    votes[:5] = 1
    assert surrogate_records(votes, words(), SPACE)[0].notes == (
        "no surrogate for class 1: 5 of 400 rows vote it, too few to tell",
    )


def test_top_k_and_least_support_limit_the_findings():
    x = words(1000)
    votes = np.where(x[:, :4].any(1), 1, -1)[:, None]
    assert len(surrogate_records(votes, x, SPACE)[0].features) == 4
    assert len(surrogate_records(votes, x, SPACE, top_k=2)[0].features) == 2
    assert surrogate_records(votes, x, SPACE, min_support=10_000)[0].features == ()


def test_votes_rows_and_names_must_fit():
    with pytest.raises(VotesError, match=r"\(3, 1\).*400 rows"):
        surrogate_records(np.zeros((3, 1), int), words(), SPACE)
    with pytest.raises(VotesError, match="2 names for 1 columns"):
        surrogate_records(np.zeros((400, 1), int), words(), SPACE, ["a", "b"])


@pytest.mark.wrench
def test_real_votes_without_code_are_explained(wrench_root):
    from lol_lightning.features.bag_of_words import BagOfWords

    rows = list(json.loads((wrench_root / "youtube" / "train.json").read_text()).values())
    data = pd.DataFrame({"text": [row["data"]["text"] for row in rows]})
    votes = np.array([row["weak_labels"] for row in rows])
    space = BagOfWords(CountVectorizer(binary=True, token_pattern=r"\w+")).fit(data)
    link, polarity = surrogate_records(votes[:, [2, 8]], data, space, ["keyword_link", "textblob_polarity"])
    assert {f.term for f in link.features if f.value > 0.5} == {"http", "https"}
    assert {"best", "awesome", "perfect"} <= {f.term for f in polarity.features[:5]}
