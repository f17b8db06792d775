"""A vote matrix of any form becomes int64, or the wrong vote is named."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from lol_lightning.exceptions import VotesError
from lol_lightning.lfs.apply import validate_votes

VOTES = [[1, -1, 0], [-1, 2, 2]]


@pytest.mark.parametrize(
    "L",
    [
        VOTES,
        np.array(VOTES, dtype=np.int8),
        np.array(VOTES, dtype=float),
        np.array(VOTES, dtype=object),
        pd.DataFrame(VOTES),
        pd.DataFrame(VOTES, dtype="Int64"),
        sparse.csr_matrix(VOTES),
        sparse.coo_array(VOTES),
        torch.tensor(VOTES),
    ],
    ids=["lists", "int8", "float", "object", "frame", "Int64", "csr", "coo", "tensor"],
)
def test_every_form_is_taken(L):
    votes = validate_votes(L, cardinality=3)
    assert votes.dtype == np.int64
    assert votes.tolist() == VOTES


def test_an_array_in_its_form_is_not_copied():
    votes = np.array(VOTES)
    assert validate_votes(votes) is votes


@pytest.mark.parametrize(
    ("L", "message"),
    [
        ([[0, -2]], r"vote -2 of labeling function 1 at row 0; expected -1 \(abstain\) or a class below 2"),
        ([[0, 1], [0, 2]], "vote 2 of labeling function 1 at row 1"),
        ([[0, np.nan]], "vote nan of labeling function 1 at row 0; votes are integers"),
        ([[0, np.inf]], "vote inf"),
        ([[0, 0.5]], "vote 0.5"),
        ([["a", "b"]], "no numbers"),
        ([[None, 1]], "vote None"),
        ([0, 1], r"shape \(2,\)"),
        ([[0], [0, 1]], "different length"),
        (pd.DataFrame({"spam": [0, 5]}), r"vote 5 of labeling function 0 \('spam'\) at row 1"),
        (pd.DataFrame({"spam": pd.array([0, None], dtype="Int64")}), r"vote nan of .*'spam'.* at row 1"),
    ],
)
def test_the_wrong_vote_is_named(L, message):
    with pytest.raises(VotesError, match=message):
        validate_votes(L, cardinality=2)


def test_names_are_used_and_counted():
    with pytest.raises(VotesError, match=r"\('b'\)"):
        validate_votes([[0, 7]], cardinality=2, lf_names=["a", "b"])
    with pytest.raises(VotesError, match="2 columns for 1 labeling functions"):
        validate_votes([[0, 1]], lf_names=["a"])
    assert validate_votes([[0, 7]]).tolist() == [[0, 7]]
