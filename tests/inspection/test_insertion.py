"""Rows with and without a term, and what LFs do about them, by hand."""

import logging
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from snorkel.labeling import LabelingFunction, labeling_function

from lol_lightning import keyword_lf
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.inspection.insertion import InsertionOptions, insert_terms
from lol_lightning.lfs.record import InspectedFeature, LFRecord

TEXTS = ["see you", "my own song", "what a day it is", "nothing here"]
RANDOM = InsertionOptions(places=("random",))


def record(*terms, label=1, **options):
    return LFRecord("lf", tuple(InspectedFeature(term, label, **options) for term in terms))


def insert(rows, records, lf=None, options=RANDOM, columns=("text",), votes=None, **arguments):
    votes = np.full((len(rows), 1), -1) if votes is None else np.asarray(votes)[:, None]
    lfs = None if lf is None else {"lf": lf}
    return insert_terms(rows, [records], votes, list(columns), lfs, options, **arguments)


def function(vote):
    return LabelingFunction("lf", vote)


def pairs_of(made, column="text"):
    if isinstance(made.with_term, pd.DataFrame):
        return list(zip(made.with_term[column], made.without_term[column], strict=True))
    read = [[getattr(row, column) for row in part] for part in (made.with_term, made.without_term)]
    return list(zip(*read, strict=True))


def without_word(text, word):
    words = text.split()
    words.remove(word)
    return words


def test_a_word_goes_to_a_place_between_words():
    lf = keyword_lf("lf", ["prize"], label=1)
    made = insert(TEXTS, lf.record, lf)
    assert len(made) == 4
    assert {without for _, without in pairs_of(made)} == set(TEXTS)
    for (text, without), span in zip(pairs_of(made), made.spans, strict=True):
        assert without_word(text, "prize") == without.split()
        assert text[slice(*span)] == "prize"
    assert made.value.tolist() == [1, 1, 1, 1]
    assert made.lf.tolist() == [0] * 4
    assert made.cls.tolist() == [1] * 4
    assert made.terms == ["prize"]
    assert made.lf_scale.tolist() == [1]


def test_a_phrase_stays_whole():
    made = insert(TEXTS, record("check out"), function(lambda x: 1 if "check out" in x.text else -1))
    assert len(made) == 4
    assert all("check out" in text and "check out" not in without for text, without in pairs_of(made))


def test_alone_is_a_text_of_its_own():
    made = insert(TEXTS, record("prize"), options=InsertionOptions(places=("alone",), max_insertions=2))
    assert pairs_of(made) == [("prize", "")] * 2
    assert made.spans.tolist() == [[0, 5]] * 2


def test_removal_takes_the_word_from_rows_that_hold_it():
    lf = keyword_lf("lf", ["song"], label=1, match="token")
    rows = ["my song is a song", "see you", "songs", "Song"]
    made = insert(rows, lf.record, lf, InsertionOptions(places=("removal",)), votes=[1, -1, -1, 1])
    assert {(text, " ".join(without.split())) for text, without in pairs_of(made)} == {
        ("my song is a song", "my is a"),
        ("Song", ""),
    }
    assert (made.value == 1).all()


def test_removal_of_what_no_row_holds_is_an_insertion():
    made = insert(["see you"], record("prize"), options=InsertionOptions(places=("removal",)))
    assert {without for _, without in pairs_of(made)} == {"see you"}


def test_a_part_of_a_longer_word_is_not_the_word():
    # Without code nobody tells that "window" brings no vote; cutting "win" out of it would be no removal of a word.
    made = insert(["the window", "a cat"], record("win", kind="token"))
    for text, without in pairs_of(made):
        assert without_word(text, "win") == without.split()


def test_pairs_on_which_the_vote_stays_make_no_demand():
    first = function(lambda x: 1 if x.text.split()[:1] == ["prize"] else -1)
    made = insert([f"a{i} b{i} c{i}" for i in range(200)], record("prize"), first)
    assert all(text.split()[0] == "prize" for text, _ in pairs_of(made))
    # A quarter of the four places in three words.
    assert len(made) == pytest.approx(50, abs=20)
    assert made.lf_scale[0] == pytest.approx(len(made) / 200)


def test_another_word_that_brings_the_vote_anyway():
    lf = keyword_lf("lf", ["prize", "win"], label=1)
    made = insert(["win now", "hello"], lf.record, lf, votes=[1, -1])
    assert all("hello" in without for _, without in pairs_of(made))


def test_a_word_that_takes_the_vote_away():
    lf = function(lambda x: -1 if "not" in x.text.split() else 1)
    made = insert(TEXTS, record("not", kind="token", value=-1.0), lf, votes=[1] * 4)
    assert made.value.tolist() == [-1] * 4
    assert all("not" in text.split() for text, _ in pairs_of(made))


def test_a_finding_with_the_wrong_sign_makes_no_demand():
    lf = function(lambda x: -1 if "not" in x.text.split() else 1)
    made = insert(TEXTS, record("not", kind="token"), lf)
    assert len(made) == 0
    assert made.lf_scale.tolist() == [0]


def test_lfs_without_code_have_the_values_of_their_records():
    made = insert(TEXTS, record("prize", value=0.5, source="probed"))
    assert made.value.tolist() == [0.5] * 4
    assert made.lf_scale.tolist() == [1]


def test_a_long_row_lends_a_window():
    text = " ".join(f"w{i}" for i in range(100))
    made = insert([text] * 5, record("prize"), options=InsertionOptions(places=("random",), max_words=7))
    windows = {without for _, without in pairs_of(made)}
    assert all(len(window.split()) == 7 and window in text for window in windows)
    assert len(windows) > 1


@pytest.mark.parametrize(("text", "term"), [("今天下雨", "中奖"), ("ฉันชอบเพลง", "รางวัล")])
def test_scripts_without_spaces_get_none(text, term):
    made = insert([text], record(term), function(lambda x: 1 if term in x.text else -1))
    ((longer, without),) = pairs_of(made)
    assert without == text
    assert longer.replace(term, "") == text
    assert " " not in longer


def test_each_column_has_its_own_terms():
    frame = pd.DataFrame({"title": ["a day", "the end"], "body": ["it rains", "no more"]})
    lf = function(lambda x: 1 if "prize" in x.title else -1)
    made = insert(frame, record("prize", column="title"), lf, columns=("title", "body"))
    assert all("prize" in text for text, _ in pairs_of(made, "title"))
    assert all(text == without for text, without in pairs_of(made, "body"))
    assert set(made.with_term.body) <= set(frame.body)


def test_a_term_of_a_column_that_the_model_does_not_read_goes_into_both():
    frame = pd.DataFrame({"title": ["a day"], "text": ["a day it rains"], "likes": [3]})
    lf = function(lambda x: 1 if "prize" in x.title else -1)
    made = insert(frame, record("prize", column="title"), lf)
    for column in ("title", "text"):
        assert all("prize" in text and "prize" not in without for text, without in pairs_of(made, column))
    assert made.with_term.likes.tolist() == [3] * len(made)


def test_lists_of_words():
    frame = pd.DataFrame({"tokens": [["see", "you"], ["a b", "c"]]})
    lf = function(lambda x: 1 if "prize" in x.tokens else -1)
    made = insert(frame, record("prize", column="tokens"), lf, columns=("tokens",))
    assert len(made) == 2
    for words, without in pairs_of(made, "tokens"):
        assert isinstance(words, list)
        assert [word for word in words if word != "prize"] == without
    assert [["a b", "c"]] == [
        without for _, without in pairs_of(made, "tokens") if len(without) == 2 and "c" in without
    ]


def test_a_list_of_words_beside_the_text_that_the_model_reads():
    frame = pd.DataFrame({"tokens": [["see", "you"]], "text": ["see you"]})
    lf = function(lambda x: 1 if "prize" in x.tokens else -1)
    ((text, without),) = pairs_of(insert(frame, record("prize", column="tokens"), lf))
    assert without == "see you"
    assert without_word(text, "prize") == ["see", "you"]


@pytest.mark.parametrize(
    "make", [lambda text: SimpleNamespace(text=text, likes=1), lambda text: {"text": text, "likes": 1}]
)
def test_points_of_any_kind_stay_what_they_are(make):
    rows = [make(text) for text in TEXTS]
    made = insert(rows, record("prize"), function(lambda x: -1))
    assert len(made) == 0
    made = insert(rows, record("prize"))
    assert all(type(row) is type(rows[0]) for row in made.with_term)
    assert [make(text) for text in TEXTS] == rows
    read = (lambda row: row["text"]) if isinstance(rows[0], dict) else (lambda row: row.text)
    assert all("prize" in read(row) for row in made.with_term)
    assert {read(row) for row in made.without_term} == set(TEXTS)


def test_the_budget_ends_and_that_is_said(caplog):
    calls = []

    @labeling_function(name="lf")
    def lf(x):
        calls.append(x.text)
        return 1 if "prize" in x.text else -1

    options = InsertionOptions(places=("random",), max_calls=5)
    with caplog.at_level(logging.INFO):
        made = insert([f"row {i}" for i in range(20)], record("prize", value=0.5, source="probed"), lf, options)
    assert len(calls) == 5
    assert made.value.tolist() == [0.5] * 20
    assert "lf was not called on 20 of 20 pairs of rows (max_calls, max_seconds)" in caplog.text


@pytest.mark.parametrize("fault_tolerant", [False, True])
def test_an_lf_that_raises(fault_tolerant, caplog):
    @labeling_function(name="lf")
    def lf(x):
        if "bad" in x.text and "prize" not in x.text:
            raise ValueError("bad row")
        return 1 if "prize" in x.text else -1

    with caplog.at_level(logging.INFO):
        made = insert(["good", "bad"], record("prize"), lf, fault_tolerant=fault_tolerant)
    without = {without for _, without in pairs_of(made)}
    assert without == ({"good", "bad"} if fault_tolerant else {"good"})
    assert made.lf_scale.tolist() == [1]
    assert "lf on rows with and without its terms: raised ValueError" in caplog.text


def test_the_seed_decides_and_the_rows_of_the_user_stay():
    frame = pd.DataFrame({"text": TEXTS, "tags": [["x"], [], ["y"], []]})
    before = frame.copy(deep=True)
    first, again, other = (
        insert(frame, record("prize", "win"), options=InsertionOptions(seed=seed)) for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(frame, before)
    assert pairs_of(first) == pairs_of(again)
    assert pairs_of(first) != pairs_of(other)


def test_lfs_share_the_insertions():
    records = [record("prize"), LFRecord("b", record("win", "song").features), LFRecord("empty")]
    made = insert_terms(
        [f"row {i}" for i in range(100)], records, np.full((100, 3), -1), ["text"], None, InsertionOptions(100)
    )
    assert np.bincount(made.lf).tolist() == [50, 50]
    assert np.bincount(made.term).tolist() == [50, 25, 25]
    assert made.lf_scale.tolist() == [1, 1, 1]


def test_rows_without_texts_are_refused():
    with pytest.raises(DataError, match=r"none of the columns \['text'\] of texts"):
        insert(pd.DataFrame({"likes": [1, 2]}), record("prize"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_insertions": 0}, "max_insertions = 0 must be at least 1"),
        ({"rows_per_term": 0}, "rows_per_term = 0"),
        ({"max_calls": -1}, "max_calls = -1 must be at least 0"),
        ({"places": "random"}, "give a list of random, alone, removal"),
        ({"places": ("middle",)}, "middle"),
        ({"places": ()}, "give a list"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        InsertionOptions(**options)
