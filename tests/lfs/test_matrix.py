"""A vote matrix of any form becomes int64, or the wrong vote is named."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from lol_lightning.exceptions import LabelingFunctionError, VotesError
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
        torch.tensor(VOTES, dtype=torch.float32, requires_grad=True),
        np.ma.masked_array(VOTES),
        np.array(VOTES, dtype=np.float16),
        pd.DataFrame(VOTES, dtype="Float64"),
        pd.DataFrame({"a": pd.array([1, -1], "Int8"), "b": [-1.0, 2.0], "c": [0, 2]}),
    ],
    ids=str,
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
        (np.array([[0, 2**64 - 1]], np.uint64), "vote 18446744073709551615 .* row 0: -1 becomes this number in uint64"),
        (np.array([[0, 2**63 + 5]], np.uint64), "vote 9223372036854775813 .*too large"),
        (np.array([[0, 255]], np.uint8), "vote 255 .*-1 becomes this number in uint8.* signed"),
        (np.array([[0, 1 + 2j]]), r"vote 0j of labeling function 0 at row 0; votes are integers"),
        (np.array([[0, 1 + 2j]], object), r"vote \(1\+2j\) of labeling function 1"),
        (np.array([[True, False]]), r"vote True .*np.where\(L, 1, -1\) if False abstains"),
        (np.array([[1, True]], object), "vote True of labeling function 1"),
        (pd.DataFrame({"a": [0, 1], "b": [True, False]}), r"vote True of labeling function 1 \('b'\) at row 0"),
        (np.ma.masked_equal([[0, 1], [-9, 1]], -9), r"function 0 at row 1 is masked; .*L.filled\(-1\)"),
        (np.array([[0, pd.NA]], object), "vote <NA> of labeling function 1 at row 0; votes are integers"),
        (np.array([["1", "0"]]), "vote '1' of labeling function 0 .* not texts or names"),
        (np.array([[1, "0"]], object), "vote '0' of labeling function 1"),
        (pd.DataFrame({"a": [0, 1], "b": ["spam", "ham"]}), r"vote 'spam' of labeling function 1 \('b'\) at row 0"),
        (np.array([[0, 1e19]]), r"vote 1e\+19"),
        (np.array([[0, 1e300]], object), r"vote 1e\+300"),
        (np.array([["2020-01-01"]], "datetime64[D]"), "vote 2020-01-01"),
        (sparse.csr_matrix(np.array([[True, False]])), "vote True"),
        (torch.tensor([[0.5]]), "vote 0.5"),
        ("votes", "got 'votes' of the type str"),
        (None, "got None of the type NoneType"),
        ({1, 2}, "of the type set"),
        (iter([[0, 1]]), "of the type list_iterator"),
        (torch.empty(2, 2, device="meta"), "is none: .*meta"),
        ([[0, np.nan]], "vote nan of labeling function 1 at row 0; votes are integers"),
        ([[0, np.inf]], "vote inf"),
        ([[0, 0.5]], "vote 0.5"),
        ([["a", "b"]], "vote 'a' of labeling function 0 at row 0; votes are class ids, not texts"),
        ([[None, 1]], "vote None"),
        ([0, 1], r"shape \(2,\)"),
        ([[0], [0, 1]], "different length"),
        (pd.DataFrame({"spam": [0, 5]}), r"vote 5 of labeling function 0 \('spam'\) at row 1"),
        (pd.DataFrame({"spam": pd.array([0, None], dtype="Int64")}), r"vote <NA> of .*'spam'.* at row 1"),
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


@pytest.mark.parametrize("module", ["polars", "pyarrow"])
def test_tables_of_other_libraries_are_votes_with_names(module):
    library = pytest.importorskip(module, reason=f"{module} is not installed")
    make = library.DataFrame if module == "polars" else library.table
    assert validate_votes(make({"a": [1, -1], "b": [0, 2]})).tolist() == [[1, 0], [-1, 2]]
    with pytest.raises(VotesError, match=r"vote nan of labeling function 1 \('b'\) at row 0"):
        validate_votes(make({"a": [1, -1], "b": [None, 2]}))


def test_the_largest_number_of_an_unsigned_type_is_a_class_where_there_are_as_many():
    assert validate_votes(np.array([[255]], np.uint8), cardinality=256).tolist() == [[255]]


@pytest.mark.parametrize("columns", [["a", "a"], [0, "0"]])
def test_two_columns_of_one_name(columns):
    with pytest.raises(LabelingFunctionError, match="two labeling functions are named"):
        validate_votes(pd.DataFrame([[0, 1]], columns=columns))


@pytest.mark.parametrize(
    "convert", [lambda votes: votes.to(torch.bfloat16), lambda votes: votes.to_sparse()], ids=["bfloat16", "sparse"]
)
def test_tensors_that_numpy_does_not_know_are_read(convert):
    np.testing.assert_array_equal(validate_votes(convert(torch.tensor([[1, -1], [0, 2]]))), [[1, -1], [0, 2]])
