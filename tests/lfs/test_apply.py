"""fast_apply gives Snorkel's votes in every cell, and says which labeling function failed where."""

import json
import random
import re
from collections import namedtuple
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from snorkel.labeling import LabelingFunction, LFApplier, PandasLFApplier, labeling_function
from snorkel.preprocess import preprocessor

from lol_lightning.exceptions import LabelingFunctionError
from lol_lightning.lfs.adapter import gradient_labeling_function
from lol_lightning.lfs.apply import fast_apply
from lol_lightning.lfs.rules import _corpus as corpus
from lol_lightning.lfs.rules.rules import keyword_lf, regex_lf, rules_lf

ODD = [
    "",
    " ",
    "\n",
    "\u0130",
    "\u0131",
    "\u017f",
    "\u212a",
    "ß",
    "ẞ",
    "É",
    "Σ",
    "ς",
    "ŉ",
    "\u0307",
    "\xa0",
    "\x85",
    "\ud800",
]
PLAIN = ["a", "b", "K", "s", "I", " ", "  ", "free", "FREE", "Song", "ii", ".", "\x00", "日本"]
WORDS = [
    "free",
    "song",
    "k",
    "s",
    "i",
    "i\u0307",
    "ss",
    "é",
    "\u03c3",
    "日",
    "a b",
    " ",
    "\u017f",
    "free song",
    ".",
    "\n",
]
PATTERNS = [
    "free.*song",
    "( |^)k",
    r"\bs\b",
    "i$",
    "^$",
    "(free|song)+",
    "[ks]{2}",
    "é",
    "日",
    "\u03c3",
    r"^\s*$",
    "(?!free)s",
    "",
]
Point = namedtuple("Point", "text")


def votes_of(lfs, frame):
    return PandasLFApplier(lfs).apply(frame, progress_bar=False)


@pytest.mark.wrench
@pytest.mark.parametrize("name", ["youtube", "sms", "chemprot", "agnews_24k", "yelp_7.6k", "imdb"])
def test_every_cell_equals_snorkels_on_real_data(wrench_root, name):
    described = json.loads((wrench_root / name / "lfs.json").read_text())
    lfs = [rules_lf(lf["name"], lf["rules"]) for lf in described if lf["rules"]]
    rows = json.loads((wrench_root / name / "train.json").read_text()).values()
    frame = pd.DataFrame({"text": [row["data"]["text"] for row in rows]}).sample(300, random_state=0)
    expected = votes_of(lfs, frame)
    assert (expected != -1).any()
    assert np.array_equal(fast_apply(lfs, frame), expected)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("alphabet", [PLAIN, PLAIN + ODD], ids=["plain", "odd"])
def test_every_cell_equals_snorkels_on_random_texts_and_rules(seed, alphabet, monkeypatch):
    monkeypatch.setattr(corpus, "_BLOCK_CHARS", 300)
    rng = random.Random(seed)

    def rule():
        kind = rng.choice(["substring", "token", "regex", "max_words"])
        if kind == "regex":
            return {"label": rng.randrange(4), "regex": rng.choice(PATTERNS), "flags": rng.choice(["", "i", "im", "s"])}
        words = rng.sample(WORDS, rng.randint(1, 3))
        return {"label": rng.randrange(4), kind: rng.randrange(3) if kind == "max_words" else words}

    lfs = [rules_lf(f"lf{i}", [rule() for _ in range(rng.randint(1, 4))]) for i in range(60)]
    texts = ["".join(rng.choice(alphabet) for _ in range(rng.randint(0, 12))) for _ in range(200)]
    points = [SimpleNamespace(text=text) for text in texts]
    expected = LFApplier(lfs).apply(points, progress_bar=False)
    assert 0.05 < (expected == -1).mean() < 0.95
    assert np.array_equal(fast_apply(lfs, points), expected)
    assert np.array_equal(fast_apply(lfs, texts), expected)


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame({"text": ["Free!", "song"]}, index=[7, 7]),
        pd.DataFrame({"text": ["Free!", "song"]}, dtype=object),
        [SimpleNamespace(text="Free!"), SimpleNamespace(text="song")],
        [{"text": "Free!"}, {"text": "song"}],
        [Point("Free!"), Point("song")],
        ["Free!", "song"],
        np.array(["Free!", "song"]),
        pd.Series(["Free!", "song"], index=[3, 4]),
    ],
    ids=["frame", "objects", "namespaces", "dicts", "tuples", "texts", "array", "series"],
)
def test_data_may_have_any_form(data):
    votes = fast_apply([keyword_lf("free", ["free"], 1), regex_lf("music", "s.ng", 0)], data)
    assert votes.dtype == np.int64
    assert votes.tolist() == [[1, -1], [-1, 0]]


def test_nothing_to_apply():
    lfs = [keyword_lf("free", ["free"], 1)]
    assert fast_apply(lfs, []).shape == (0, 1)
    assert fast_apply(lfs, pd.DataFrame({"text": []})).shape == (0, 1)
    assert fast_apply([], ["a", "b"]).shape == (2, 0)


def test_rules_preprocessors_resources_and_columns_are_mixed_in_order():
    @preprocessor()
    def reverse(x):
        x = x.copy()
        x["text"] = x["text"][::-1]
        return x

    @labeling_function(resources={"limit": 3})
    def long_title(x, limit):
        return 2 if len(x.title) > limit else -1

    frame = pd.DataFrame({"text": ["free", "eerf"], "title": ["abcd", "FREE"]})
    lfs = [
        long_title,
        keyword_lf("text", ["free"], 1),
        keyword_lf("reversed", ["free"], 1, pre=[reverse]),
        keyword_lf("title", ["free"], 0, text_column="title"),
    ]
    assert fast_apply(lfs, frame).tolist() == [[2, 1, -1, -1], [2, -1, 1, 0]]
    assert np.array_equal(fast_apply(lfs, frame), votes_of(lfs, frame))


def test_side_effects_happen_once_per_row_and_in_order():
    seen = []

    @labeling_function()
    def remembers(x):
        seen.append(x.text)
        return len(seen) % 2

    votes = fast_apply([remembers, keyword_lf("a", ["a"], 1)], ["a", "b", "a"])
    assert seen == ["a", "b", "a"]
    assert votes.tolist() == [[1, 1], [0, -1], [1, 1]]


@pytest.mark.parametrize(
    ("vote", "expected"), [(np.int64(1), 1), (np.int8(-1), -1), (np.float64(0), 0), (True, 1), (np.True_, 1), (2.0, 2)]
)
def test_votes_of_other_types_count_as_in_snorkel(vote, expected):
    @gradient_labeling_function()
    def votes(x):
        return vote

    assert fast_apply([votes], ["a"]).tolist() == [[expected]]
    assert votes_of([votes], pd.DataFrame({"text": ["a"]})).tolist() == [[expected]]


@pytest.mark.parametrize("vote", [None, -2, 1.5, float("nan"), float("inf"), "1", "spam", [1]], ids=str)
def test_a_vote_that_is_none_is_an_error(vote):
    @gradient_labeling_function(name="odd")
    def votes(x):
        return vote if x.text == "b" else -1

    with pytest.raises(LabelingFunctionError, match=rf"'odd' voted {re.escape(repr(vote))} at row 1.*-1 to abstain"):
        fast_apply([votes], ["a", "b"])


def test_an_lf_that_raises_is_named_with_row_and_cause():
    @labeling_function()
    def divides(x):
        return 1 // (len(x.text) - 1)

    frame = pd.DataFrame({"text": ["", "ab", "a"]}, index=["x", "y", "z"])
    with pytest.raises(LabelingFunctionError, match=r"'divides' raised ZeroDivisionError at row 2") as caught:
        fast_apply([keyword_lf("a", ["a"], 1), divides], frame)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pd.DataFrame({"text": ["a", None]}), "'k' failed at row 1: 'text' of a data point is nan"),
        (pd.DataFrame({"text": ["a", 3]}), "'k' failed at row 1: 'text' of a data point is 3"),
        (pd.DataFrame({"body": ["a"]}), "'k' failed at row 0: .*no 'text'"),
        ([SimpleNamespace(text="a"), SimpleNamespace()], "'k' failed at row 1: .*no 'text'"),
    ],
)
def test_a_missing_text_is_named_with_row_and_cure(data, message):
    with pytest.raises(LabelingFunctionError, match=message):
        fast_apply([keyword_lf("k", ["a"], 1)], data)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: 1 if "a" in x.title else -1, r"'lf' raised AttributeError at row 0.*columns \['text', 'length'\]"),
        (lambda x: 1 if "a" in x["title"] else -1, r"'lf' raised KeyError at row 0.*columns \['text', 'length'\]"),
        (lambda x: 1 if re.search("a", x) else -1, r"raised TypeError at row 0.*search in a column of the row"),
        (lambda x: 1 if "a" in x.text else None, r"voted None at row 1.*let it end with return -1"),
        (lambda x: 1 // (x.length - 2), r"raised ZeroDivisionError at row 1.*The row is .*fault_tolerant=True"),
    ],
)
def test_the_cure_fits_what_went_wrong(function, message):
    frame = pd.DataFrame({"text": ["a", "b"], "length": [1, 2]})
    with pytest.raises(LabelingFunctionError, match=message):
        fast_apply([LabelingFunction("lf", function)], frame)


def test_names_must_be_distinct():
    with pytest.raises(LabelingFunctionError, match="two labeling functions are named 'k'"):
        fast_apply([keyword_lf("k", ["a"], 1), keyword_lf("k", ["b"], 1)], ["a"])


def test_the_progress_bar_counts_rows(capsys):
    fast_apply([keyword_lf("k", ["a"], 1)], ["a"] * 50, progress_bar=True)
    assert "50/50" in capsys.readouterr().err
