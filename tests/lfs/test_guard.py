"""LFs that fail, hang or write to their rows: named, counted, and kept apart from each other."""

import logging
import re
import threading
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from snorkel.labeling import LabelingFunction, PandasLFApplier, labeling_function

from lol_lightning.exceptions import LabelingFunctionError
from lol_lightning.lfs.apply import fast_apply
from lol_lightning.lfs.rules.rules import keyword_lf, regex_lf

TEXTS = ["cheap pills", "song", "such a nice song", "hello"]
FRAME = pd.DataFrame({"text": TEXTS})
NEVER = "a" * 40 + "b"


@labeling_function()
def second_word(x):
    return 1 if x.text.split()[1] == "pills" else -1


@labeling_function()
def nice(x):
    return 0 if "nice" in x.text else -1


@pytest.fixture
def lines(caplog):
    """What was said, one text a line."""
    caplog.set_level(logging.INFO)
    return lambda: [record.getMessage() for record in caplog.records]


def test_a_failure_abstains_as_in_snorkel_and_is_counted(lines):
    votes = fast_apply([second_word, nice], FRAME, fault_tolerant=True)
    snorkel = PandasLFApplier([second_word, nice]).apply(FRAME, progress_bar=False, fault_tolerant=True)
    np.testing.assert_array_equal(votes, snorkel)
    assert lines() == [
        "Labeling functions failed: 'second_word' failed on 2 of 4 rows, counted as abstentions "
        "(row 1: raised IndexError: list index out of range)."
    ]


def test_votes_that_are_none_are_failures_too(lines):
    odd = LabelingFunction("odd", lambda x: {"song": 1.5, "hello": None, "cheap pills": "spam"}.get(x.text, 2))
    votes = fast_apply([odd], FRAME, fault_tolerant=True)
    assert votes.ravel().tolist() == [-1, -1, 2, -1]
    assert lines() == [
        "Labeling functions failed: 'odd' failed on 3 of 4 rows, counted as abstentions (row 0: voted 'spam')."
    ]


def test_rules_abstain_on_what_is_no_text(lines):
    frame = pd.DataFrame({"text": ["nice song", None, np.nan, "song"]})
    lfs = [keyword_lf("song", ["song"], label=0), regex_lf("nice", "nice", label=1)]
    assert fast_apply(lfs, frame, fault_tolerant=True).tolist() == [[0, 1], [-1, -1], [-1, -1], [0, -1]]
    assert "'song' failed on 2 of 4 rows" in lines()[0]
    assert "'nice' failed on 2 of 4 rows" in lines()[0]


def test_without_failures_nothing_is_said(lines):
    fast_apply([nice], FRAME, fault_tolerant=True)
    assert lines() == []


HANGING = [
    LabelingFunction("hangs", lambda x: 1 if re.search("(a+)+$", x.text) else -1),
    regex_lf("hangs", "(a+)+$", label=1),
]


@pytest.mark.parametrize("lf", HANGING, ids=["function", "rule"])
def test_an_lf_that_hangs_is_named(lf):
    frame = pd.DataFrame({"text": ["aa", NEVER]})
    with pytest.raises(LabelingFunctionError, match=r"'hangs' took longer than 0\.2 seconds at row 1.*nested repeats"):
        fast_apply([lf], frame, max_call_seconds=0.2)


@pytest.mark.parametrize("lf", HANGING, ids=["function", "rule"])
def test_an_lf_that_hangs_abstains_where_that_is_tolerated(lf, lines):
    frame = pd.DataFrame({"text": ["aa", NEVER, "ba"]})
    votes = fast_apply([lf, nice], frame, fault_tolerant=True, max_call_seconds=0.2)
    assert votes.tolist() == [[1, -1], [-1, -1], [1, -1]]
    assert "'hangs' failed on 1 of 3 rows, counted as abstentions (row 1: took longer than 0.2 seconds)" in lines()[0]


def test_outside_of_the_main_thread_an_lf_that_hangs_is_named_too():
    errors = []

    def run():
        try:
            fast_apply(HANGING[:1], pd.DataFrame({"text": ["aa", NEVER]}), max_call_seconds=0.2)
        except Exception as error:
            errors.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "'hangs' took longer than 0.2 seconds at row 1" in errors[0]


WRITERS = {
    "attribute": lambda x: setattr(x, "text", "changed") or -1,
    "new attribute": lambda x: setattr(x, "note", 1) or -1,
    "list": lambda x: x.tokens.clear() or -1,
    "nested": lambda x: x.meta["tags"].append("changed") or -1,
    "array": lambda x: x.vector.fill(0) or -1,
}
READER = LabelingFunction(
    "reader",
    lambda x: int(
        (x.text, x.tokens, x.meta, x.vector.tolist(), hasattr(x, "note")) == ("a", ["a"], {"tags": []}, [1.0], False)
    ),
)


@pytest.mark.parametrize("writes", WRITERS)
@pytest.mark.parametrize("as_frame", [True, False])
def test_no_lf_sees_what_another_one_writes(writes, as_frame, lines):
    rows = [{"text": "a", "tokens": ["a"], "meta": {"tags": []}, "vector": np.array([1.0])} for _ in range(3)]
    data = pd.DataFrame(rows) if as_frame else [SimpleNamespace(**row) for row in rows]
    votes = fast_apply([LabelingFunction("writer", WRITERS[writes]), READER], data)
    assert votes.tolist() == [[-1, 1]] * 3
    assert fast_apply([READER], data).ravel().tolist() == [1] * 3
    assert lines() == [
        "Labeling functions write to their rows: 'writer'. Each LF has its own copies, so no other sees that."
    ]


def test_an_lf_may_write_and_read_its_own_row():
    def own(x):
        x["doc"] = x.text.upper()
        return 1 if "SONG" in x.doc else -1

    assert fast_apply([LabelingFunction("own", own)], FRAME).ravel().tolist() == [-1, 1, 1, -1]


@pytest.mark.parametrize(
    ("points", "function", "message"),
    [
        ([{"body": "a"}], lambda x: x["text"], r"raised KeyError at row 0.*columns \['body'\]"),
        ([{"text": "a"}], lambda x: x.text, r"rows are of type dict: read x\['text'\] in place of x\.text"),
        ([SimpleNamespace(body="a")], lambda x: x.text, r"raised AttributeError at row 0.*columns \['body'\]"),
        ([SimpleNamespace(text="a")], lambda x: x["text"], r"read x\.name in place of x\['name'\].*columns \['text'\]"),
        (FRAME.rename(columns={"text": "data"}), lambda x: x.data(), r"The row is \{'data': 'cheap pills'\}"),
        (pd.DataFrame({"text": [np.nan]}), lambda x: "a" in x.text.lower(), r"The row is \{'text': nan\}"),
        ([{"text": "a"}], lambda x: {"b": 1}[x["text"]], r"raised KeyError at row 0: 'a'"),
    ],
)
def test_an_error_says_which_columns_there_are_and_what_the_row_holds(points, function, message):
    with pytest.raises(LabelingFunctionError, match=message) as caught:
        fast_apply([LabelingFunction("lf", function)], points)
    assert "'lf'" in str(caught.value)


def test_an_lf_that_returns_false_is_named_as_false_is_a_class():
    has_song = LabelingFunction("has_song", lambda x: "song" in x.text)
    with pytest.warns(UserWarning, match=r"return False: 'has_song'\. It counts as a vote for class 0.*return -1"):
        votes = fast_apply([has_song, nice], FRAME)
    np.testing.assert_array_equal(votes[:, 0], [0, 1, 1, 0])


def test_an_lf_that_only_returns_true_is_not_warned_of():
    np.testing.assert_array_equal(fast_apply([LabelingFunction("true", lambda x: True)], FRAME), [[1]] * 4)


@pytest.mark.parametrize("vote", [2**63, 10**20])
def test_a_vote_that_no_matrix_holds_is_named(vote):
    with pytest.raises(LabelingFunctionError, match=f"labeling function 'id' voted {vote} at row 0"):
        fast_apply([LabelingFunction("id", lambda x: vote)], FRAME)
