"""What tracing cannot see is said in the notes, and the untraced vote counts."""

import ast
import json
import random
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from snorkel.labeling import LabelingFunction

from lol_lightning.inspection.tracing._clauses import MAX_UNSEEN
from lol_lightning.inspection.tracing._tracing import run_traced, trace_lf

ABSTAIN, HAM, SPAM = -1, 0, 1
TEXTS = ["free cash", "what a song", "check this out", "my free song", ""]
POINTS = [SimpleNamespace(text=text) for text in TEXTS]
VECTORIZER = CountVectorizer(vocabulary=["free"])
LINK = re.compile("free")
CALLS = []


def trace(function, points=POINTS):
    return trace_lf(LabelingFunction("lf", function), points)


def notes(function, points=POINTS):
    return "; ".join(trace(function, points).notes)


DEFEATS = {
    "json": (lambda x: SPAM if "free" in json.loads(json.dumps({"a": x.text}))["a"] else ABSTAIN, "defeated tracing"),
    "literal_eval": (lambda x: SPAM if ast.literal_eval(f"{x.text!r}") > "l" else ABSTAIN, "rest on nothing"),
    "numpy": (lambda x: SPAM if np.char.find(np.array([x.text]), "free")[0] >= 0 else ABSTAIN, "rest on nothing"),
    "vectorizer": (lambda x: SPAM if VECTORIZER.transform([x.text]).sum() else ABSTAIN, "rest on nothing"),
    "slot": (lambda x: SPAM if str.__contains__(x.text, "free") else ABSTAIN, "rest on nothing that tracing sees"),
    "bare method": (lambda x: SPAM if "free" in str.lower(x.text) else ABSTAIN, "handed to 'str.lower'"),
    "encoded": (lambda x: SPAM if b"free" in x.text.encode() else ABSTAIN, "handed to 'str.encode'"),
    "inside": (
        lambda x: SPAM if x.text in "what a song, my free song" else ABSTAIN,
        "rest on nothing that tracing sees",
    ),
    "joined": (
        lambda x: SPAM if "ee ca" in str.join("", list(x.text)) else ABSTAIN,
        "rest on nothing that tracing sees",
    ),
    "mapped": (lambda x, link=LINK: SPAM if any(map(link.search, [x.text])) else ABSTAIN, "not seen in use: 'free'"),
    "in part": (lambda x: SPAM if "cash" in x.text and x.text.encode() else ABSTAIN, "defeated tracing in part"),
    "abstains": (lambda x: SPAM if b"zebra" in bytes(x.text, "utf8") else ABSTAIN, "reads 'text', but asks nothing"),
}


@pytest.mark.parametrize("case", DEFEATS)
def test_a_defeat_is_never_silent(case):
    function, expected = DEFEATS[case]
    record = trace(function)
    assert expected in "; ".join(record.notes)
    assert record.columns == ("text",)
    assert [run_traced(LabelingFunction("lf", function), p)[0] for p in POINTS] == [function(p) for p in POINTS]


@pytest.mark.parametrize("case", DEFEATS)
def test_a_defeat_says_so(case):
    assert any(note.startswith("defeated tracing") for note in trace(DEFEATS[case][0]).notes)


def test_a_defeat_in_part_says_which_part():
    def vote(x):
        if "song" in x.text:
            return HAM
        return SPAM if str.__contains__(x.text, "free") else ABSTAIN

    record = trace(vote)
    assert {f.term for f in record.features} == {"song"}
    assert "1 of 3 voted rows have equals with another vote" in "; ".join(record.notes)


def test_a_hidden_half_of_a_condition_is_noted():
    record = trace(lambda x: SPAM if "song" in x.text and str.__contains__(x.text, "my") else ABSTAIN)
    assert {f.term for f in record.features} == {"song"}
    assert [note.split(",")[0] for note in record.notes] == [
        "defeated tracing in part: 1 of 1 voted rows have equals with another vote"
    ]


def test_a_column_that_is_no_text_explains_a_vote():
    points = [SimpleNamespace(text=text, stars=stars) for stars, text in enumerate(TEXTS)]
    assert not trace(lambda x: SPAM if "song" in x.text and x.stars > 2 else ABSTAIN, points).notes


ANSWERS = {row: "spam" if row % 3 == 0 else "ham" for row in range(40)}
BY_STARS = {1: HAM, 4: SPAM, 5: SPAM}


@pytest.mark.parametrize("kind", ["points", "frame", "dicts"])
def test_answers_that_are_looked_up_by_the_number_of_a_row_are_noted(kind):
    """As those of a language model that was asked before."""
    frame = pd.DataFrame({"id": range(30), "text": ["free cash"] * 30})
    records = frame.to_dict("records")
    points = {"points": [SimpleNamespace(**record) for record in records], "frame": frame, "dicts": records}[kind]
    record = trace(lambda x: SPAM if "spam" in ANSWERS[x["id"] if kind == "dicts" else x.id] else HAM, points)
    assert record.features == ()
    assert record.columns == ("id",)
    assert record.notes == (
        "defeated tracing: looks answers up in 'ANSWERS' by 'id', of which each row has its own value, and nobody "
        "sees what the answers rest on",
    )


def test_a_table_of_votes_by_a_property_of_the_rows_is_told_and_the_property_counts():
    points = [SimpleNamespace(stars=1 + row % 5, text="what a song") for row in range(30)]
    record = trace(lambda x: BY_STARS.get(x.stars, HAM), points)
    assert {(f.term, f.label, f.kind, f.value) for f in record.features} == {
        ("stars", HAM, "column", -1.0),
        ("stars", SPAM, "column", 1.0),
    }
    assert record.notes == ("looks answers up in 'BY_STARS' by 'stars'",)


def test_words_beside_answers_that_are_looked_up_are_found():
    points = [SimpleNamespace(id=row, text="my free song" if row % 2 else "cash") for row in range(30)]
    record = trace(lambda x: SPAM if "free" in x.text or ANSWERS[x.id] == "spam" else ABSTAIN, points)
    assert {f.term for f in record.features} == {"free"}
    assert record.notes[0].startswith("defeated tracing in part: looks answers up in 'ANSWERS' by 'id'")


def test_a_table_that_a_column_does_not_open_is_not_told():
    points = [SimpleNamespace(stars=row, text="what a song") for row in range(100, 130)]
    assert trace(lambda x: SPAM if x.stars > 110 and BY_STARS else HAM, points).notes == ()


def test_an_lf_that_reads_no_text_is_no_defeat():
    assert trace(lambda x: SPAM).notes == ()


def test_a_constant_vote_after_a_question_is_named():
    record = trace(lambda x: SPAM if "free" in x.text else SPAM)  # noqa: RUF034
    assert record.features == ()
    assert "asks for 'free' without effect" in "; ".join(record.notes)


def test_questions_about_letters_are_remarks():
    assert "asks isupper() of 'text'" in notes(lambda x: SPAM if x.text.isupper() or "free" in x.text else ABSTAIN)


def test_an_lf_that_raises_is_noted_and_the_other_rows_count():
    record = trace(lambda x: SPAM if x.text.split()[0] == "free" else ABSTAIN)
    assert {f.term for f in record.features} == {"free"}
    assert "raised IndexError on its own (1 rows)" in record.notes


def test_an_lf_that_raises_only_under_tracing_votes_untraced():
    def vote(x):
        if type(x.text) is not str:
            raise TypeError("strings only")
        return SPAM

    assert "raised TypeError under tracing, the untraced vote counts (5 rows)" in notes(vote)


def test_an_lf_that_votes_otherwise_under_tracing_is_noted():
    record = trace(lambda x: SPAM if type(x.text) is str else HAM)
    assert record.features == ()
    assert "voted otherwise under tracing, the untraced vote counts (5 rows)" in record.notes


def test_an_lf_that_is_not_deterministic_has_no_features():
    generator = random.Random(0)
    record = trace(lambda x: SPAM if "free" in x.text and generator.random() < 0.5 else ABSTAIN, POINTS * 20)
    assert record.features == ()
    assert any(note.startswith("not deterministic") for note in record.notes)


def test_numpy_integers_and_none_are_votes():
    record = trace(lambda x: np.int64(1) if "free" in x.text else None)
    assert [(f.term, f.label) for f in record.features] == [("free", SPAM)]
    assert record.notes == ("returned None, counted as abstaining (3 rows)",)


def test_an_answer_that_is_no_class_is_noted():
    assert "returned 'spam', which is no class (5 rows)" in notes(lambda x: "spam")


def test_side_effects_are_noted():
    def appends(x):
        CALLS.append(x.text)
        return SPAM if "free" in x.text else ABSTAIN

    def counts(x):
        global COUNT
        COUNT = 1
        return ABSTAIN

    def writes(x):
        x.text = x.text.lower()
        x.seen = True
        return SPAM if "free" in x.text else ABSTAIN

    assert "side effect: changes 'CALLS', also when it is traced" in trace(appends).notes
    assert "side effect: changes 'COUNT', also when it is traced" in trace(counts).notes
    points = [SimpleNamespace(text="FREE")]
    record = trace(writes, points)
    assert "side effect: writes 'text', 'seen' on the data point" in record.notes
    assert points == [SimpleNamespace(text="FREE")]
    assert [f.term for f in record.features] == ["free"]


def test_the_text_that_a_list_has_kept_is_an_ordinary_string():
    CALLS.clear()
    run_traced(LabelingFunction("lf", lambda x: CALLS.append(x.text) or ABSTAIN), POINTS[0])
    [kept] = CALLS
    assert kept == "free cash"
    assert "free" in kept
    assert json.loads(json.dumps({kept: kept.split()})) == {"free cash": ["free", "cash"]}


def test_of_a_whole_dictionary_only_words_that_rows_hold_count():
    dictionary = {f"word{i}" for i in range(MAX_UNSEEN + 1)}
    few = {f"word{i}" for i in range(MAX_UNSEEN)}
    texts = [SimpleNamespace(text=text) for text in ("a word3 here", "word5", "nothing", "of all")]
    for words, found in ((dictionary, 2), (few, MAX_UNSEEN)):
        lf = LabelingFunction("lookup", lambda x: 1 if any(word in words for word in x.text.split()) else -1)  # noqa: B023
        record = trace_lf(lf, texts)
        assert len(record.features) == found
        assert {"word3", "word5"} <= {feature.term for feature in record.features}
        note = f"looks words up in a set of {MAX_UNSEEN + 1}: those that no traced row holds are left out"
        assert (note in record.notes) == (words is dictionary)
