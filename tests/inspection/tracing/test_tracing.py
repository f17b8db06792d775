import re
from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from snorkel.labeling import LabelingFunction, labeling_function
from snorkel.preprocess import Preprocessor, preprocessor

from lol_lightning.exceptions import DataError
from lol_lightning.inspection.tracing._choose_rows import choose_rows
from lol_lightning.inspection.tracing._tracing import run_traced, trace_lf, trace_lfs
from lol_lightning.lfs.rules.rules import keyword_lf

ABSTAIN, HAM, SPAM = -1, 0, 1
TEXTS = [
    "Subscribe to my channel please",
    "what a song",
    "check this out",
    "check http://x.org",
    "FREE cash for you",
    "",
    "a long comment on the song that says nothing of note",
]
POINTS = [SimpleNamespace(text=text) for text in TEXTS]
WORDS = {"free", "cash", "prize"}
LINK = re.compile("http")
SCORES = {"free": 2, "cash": 1}


def found(record):
    return {(f.term, f.label, f.kind, f.value) for f in record.features}


def trace(function, points=POINTS, **options):
    return trace_lf(LabelingFunction("lf", function), points, **options)


def loops_over_tokens(x):
    for token in x.text.lower().split():
        if token in WORDS:
            return SPAM
    return ABSTAIN


def loops_over_words(x):
    for word in ("please", "plz"):
        if x.text.lower().find(word) >= 0:
            return SPAM
    return ABSTAIN


def sums(x):
    return SPAM if sum(SCORES.get(token, 0) for token in x.text.lower().split()) > 0 else ABSTAIN


def matches_tokens(x):
    match x.text.lower().split():
        case ["what", *_]:
            return HAM
    return ABSTAIN


def carries_f_string(x):
    text = f" {x.text.lower()} "
    return SPAM if " free " in text else ABSTAIN


def carries_join(x):
    return SPAM if "this out" in " ".join(token for token in x.text.split()) else ABSTAIN


SPAM_WHERE = {
    "in": (lambda x: SPAM if "my" in x.text else ABSTAIN, {("my", "substring")}),
    "not in": (lambda x: ABSTAIN if "my" not in x.text else SPAM, {("my", "substring")}),
    "equal": (lambda x: SPAM if x.text == "what a song" else ABSTAIN, {("what a song", "substring")}),
    "reflected": (lambda x: SPAM if "free" in [t.lower() for t in x.text.split()] else ABSTAIN, {("free", "token")}),
    "not equal": (lambda x: ABSTAIN if all(t != "my" for t in x.text.split()) else SPAM, {("my", "token")}),
    "startswith": (
        lambda x: SPAM if x.text.startswith(("Sub", "FREE")) else ABSTAIN,
        {("Sub", "prefix"), ("FREE", "prefix")},
    ),
    "endswith": (lambda x: SPAM if x.text.endswith("out") else ABSTAIN, {("out", "suffix")}),
    "token prefix": (
        lambda x: SPAM if any(t.startswith("http") for t in x.text.split()) else ABSTAIN,
        {("http", "prefix")},
    ),
    "slice": (lambda x: SPAM if x.text[:4] == "FREE" else ABSTAIN, {("FREE", "prefix")}),
    "find": (loops_over_words, {("please", "substring"), ("plz", "substring")}),
    "count": (lambda x: SPAM if x.text.count("http") else ABSTAIN, {("http", "substring")}),
    "partition": (lambda x: SPAM if x.text.partition("http")[1] else ABSTAIN, {("http", "substring")}),
    "split at a word": (lambda x: SPAM if len(x.text.split("http")) > 1 else ABSTAIN, {("http", "substring")}),
    "tokens": (lambda x: SPAM if "my" in x.text.split() else ABSTAIN, {("my", "token")}),
    "token count": (lambda x: SPAM if x.text.split().count("my") else ABSTAIN, {("my", "token")}),
    "token look-up": (loops_over_tokens, {("free", "token"), ("cash", "token"), ("prize", "token")}),
    "set of tokens": (lambda x: SPAM if "my" in set(x.text.split()) else ABSTAIN, {("my", "token")}),
    "dict": (sums, {("free", "token"), ("cash", "token")}),
    "counter": (lambda x: SPAM if Counter(x.text.split())["my"] else ABSTAIN, {("my", "token")}),
    "intersection": (lambda x: SPAM if WORDS & set(x.text.lower().split()) else ABSTAIN, {(w, "token") for w in WORDS}),
    "capitals": (lambda x: SPAM if "FREE" in x.text.upper() else ABSTAIN, {("free", "substring")}),
    "normalised": (lambda x: SPAM if "ahttp" in x.text.strip().replace("k ", "a").casefold() else ABSTAIN, set()),
    "concatenated": (lambda x: SPAM if " FREE " in " " + x.text + " " else ABSTAIN, {(" FREE ", "substring")}),
    "percent": (lambda x: SPAM if " FREE " in " %s " % x.text else ABSTAIN, {(" FREE ", "substring")}),  # noqa: UP031
    "f-string": (carries_f_string, {(" free ", "substring")}),
    "format": (lambda x: SPAM if " FREE " in " {} ".format(x.text) else ABSTAIN, {(" FREE ", "substring")}),  # noqa: UP032
    "join": (carries_join, {("this out", "substring")}),
    "re.search": (lambda x: SPAM if re.search("https?", x.text) else ABSTAIN, {("http", "substring")}),
    "re.split": (lambda x: SPAM if "http" in re.split(r"\W+", x.text) else ABSTAIN, {("http", "token")}),
    "re.findall": (lambda x: SPAM if "my" in re.findall(r"\w+", x.text) else ABSTAIN, {("my", "token")}),
    "re.sub": (lambda x: SPAM if "checkhttp" in re.sub(r"\s", "", x.text) else ABSTAIN, {("checkhttp", "substring")}),
    "compiled": (lambda x: SPAM if LINK.search(x.text) else ABSTAIN, {("http", "substring")}),
    "compiled here": (lambda x: SPAM if re.compile("http").search(x.text) else ABSTAIN, {("http", "substring")}),
    "characters": (lambda x: SPAM if any(c == "F" for c in x.text) else ABSTAIN, {("F", "substring")}),
}


@pytest.mark.parametrize("case", SPAM_WHERE)
def test_asks_are_found(case):
    function, expected = SPAM_WHERE[case]
    plain = [function(point) for point in POINTS]
    assert [run_traced(LabelingFunction("lf", function), point)[0] for point in POINTS] == plain
    terms = {(f.term, f.kind) for f in trace(function).features if f.value > 0 and f.label == SPAM}
    assert expected <= terms
    assert {term for term, _ in terms} == {term for term, _ in expected} or case in ("normalised", "split at a word")


def test_what_is_never_found_still_gets_its_class():
    record = trace(lambda x: HAM if any(word in x.text for word in ("tune", "melody")) else ABSTAIN)
    assert found(record) == {("tune", HAM, "substring", 1.0), ("melody", HAM, "substring", 1.0)}
    assert not any("defeated" in note for note in record.notes)


def test_a_conjunction_becomes_groups_of_one_clause():
    record = trace(lambda x: SPAM if "check" in x.text and ("out" in x.text or "http" in x.text) else ABSTAIN)
    groups = {f.term: (f.clause, f.group) for f in record.features}
    assert groups["out"] == groups["http"] != groups["check"]
    assert {clause for clause, _ in groups.values()} == {0}


def test_a_conjunction_that_no_row_holds_is_found():
    record = trace(lambda x: SPAM if "zebra" in x.text and "lion" in x.text else ABSTAIN)
    assert sorted((f.term, f.clause) for f in record.features) == [("lion", 0), ("zebra", 0)]
    assert len({f.group for f in record.features}) == 2


def test_what_takes_the_vote_away_is_negative():
    record = trace(lambda x: SPAM if "check" in x.text and "http" not in x.text else ABSTAIN)
    assert found(record) == {("check", SPAM, "substring", 1.0), ("http", SPAM, "substring", -1.0)}


def test_ordered_rules_speak_for_their_own_classes():
    def vote(x):
        if "song" in x.text:
            return HAM
        return SPAM if "my" in x.text else ABSTAIN

    assert found(trace(vote)) == {("song", HAM, "substring", 1.0), ("my", SPAM, "substring", 1.0)}


def test_words_that_stand_in_for_each_other_on_every_row_are_found():
    points = [SimpleNamespace(text="free cash"), SimpleNamespace(text="cash, free")]
    record = trace(lambda x: [ABSTAIN, SPAM][any([w in x.text for w in ("free", "cash")])], points)
    assert {f.term for f in record.features} == {"free", "cash"}


def test_two_of_three_words_are_found():
    record = trace(lambda x: SPAM if sum(w in x.text for w in ("my", "please", "http")) >= 2 else ABSTAIN)
    assert {f.term for f in record.features} == {"my", "please", "http"}
    assert all(
        len({f.group for f in record.features if f.clause == c}) == 2 for c in {f.clause for f in record.features}
    )


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: HAM if len(x.text.split()) < 5 else ABSTAIN, ("words", HAM, "length", -1.0)),
        (lambda x: HAM if len(x.text) > 40 else ABSTAIN, ("characters", HAM, "length", 1.0)),
    ],
)
def test_length_rules_are_lengths_with_a_direction(function, expected):
    assert found(trace(function)) == {expected}


def test_going_through_tokens_by_position_is_no_length_rule():
    def vote(x):
        tokens = x.text.split()
        for i in range(len(tokens)):
            if tokens[i] == "my":
                return SPAM
        return ABSTAIN

    assert found(trace(vote)) == {("my", SPAM, "token", 1.0)}


class Row(NamedTuple):
    text: str
    stars: int


@dataclass(frozen=True)
class Comment:
    text: str
    stars: int


@pytest.mark.parametrize("make", [SimpleNamespace, Row, Comment])
def test_data_points_with_attributes(make):
    points = [make(text=text, stars=stars) for stars, text in enumerate(TEXTS)]
    record = trace(lambda x: SPAM if "my" in x.text and x.stars < 3 else ABSTAIN, points)
    assert record.columns == ("text", "stars")
    assert ("my", SPAM, "substring", 1.0) in found(record)
    assert points[0].text == TEXTS[0]
    assert type(points[0].text) is str


@pytest.mark.parametrize(
    "read", [lambda x: x.text, lambda x: x["text"], lambda x: x.get("text"), lambda x: x.loc["text"]]
)
@pytest.mark.parametrize("columns", [{"text": TEXTS}, {"text": TEXTS, "stars": range(7)}])
def test_rows_of_a_frame(read, columns):
    record = trace(lambda x: SPAM if "my" in read(x) else ABSTAIN, pd.DataFrame(columns))
    assert found(record) == {("my", SPAM, "substring", 1.0)}
    assert all(f.column == "text" for f in record.features)


def test_dicts_and_plain_texts():
    assert trace(lambda x: SPAM if "my" in x["text"] else ABSTAIN, [{"text": t} for t in TEXTS]).columns == ("text",)
    assert found(trace(lambda x: SPAM if "my" in x else ABSTAIN, TEXTS)) == {("my", SPAM, "substring", 1.0)}


def test_lists_of_tokens_and_the_column_option():
    points = [SimpleNamespace(tokens=text.split(), title=text) for text in TEXTS]

    def vote(x):
        return SPAM if "my" in x.tokens or "http" in x.title else ABSTAIN

    assert {f.column for f in trace(vote, points).features} == {"tokens", "title"}
    assert {f.column for f in trace(vote, points, text_column="title").features} == {"title"}


def test_a_numeric_column_is_a_column_with_the_direction_of_its_means():
    frame = pd.DataFrame({"text": TEXTS, "stars": range(7)})
    assert found(trace(lambda x: HAM if x.stars > 3 else ABSTAIN, frame)) == {("stars", HAM, "column", 1.0)}
    assert found(trace(lambda x: HAM if x.stars < 3 else ABSTAIN, frame[["stars"]])) == {("stars", HAM, "column", -1.0)}


class Lowered(Preprocessor):
    def __init__(self):
        super().__init__("lowered", {"text": "text"}, {"low": "lowered"}, memoize=True)

    def run(self, text):
        return {"low": text.lower()}


@pytest.mark.parametrize("data", [POINTS, pd.DataFrame({"text": TEXTS})])
def test_preprocessors_are_followed_and_their_caches_left_alone(data):
    @preprocessor(memoize=True, pre=[Lowered()])
    def tokens(x):
        x.tokens = x.lowered.split()
        return x

    @labeling_function(pre=[tokens])
    def vote(x):
        return SPAM if "free" in x.tokens else ABSTAIN

    first = data.iloc[4] if isinstance(data, pd.DataFrame) else data[4]
    vote(first)
    cached = dict(tokens._cache)
    record = trace_lf(vote, data)
    assert found(record) == {("free", SPAM, "token", 1.0)}
    assert record.columns == ("text",)
    assert all(type(token) is str for point in tokens._cache.values() for token in point.tokens)
    assert cached.keys() <= tokens._cache.keys()


def test_resources_defaults_closures_and_methods():
    class Finder:
        def __init__(self, words):
            self.words = words

        def vote(self, x, extra=("plz",), more=()):
            return SPAM if any(w in x.text for w in [*self.words, *extra, *more]) else ABSTAIN

    lf = LabelingFunction("lf", Finder(["my"]).vote, resources={"more": ["http"]})
    assert {f.term for f in trace_lf(lf, POINTS).features} == {"my", "plz", "http"}


def test_factories_of_this_package_are_traced_as_well():
    lf = keyword_lf("asks", ["please", "plz"], SPAM, match="token")
    assert found(trace_lf(lf, POINTS)) == {("please", SPAM, "token", 1.0), ("plz", SPAM, "token", 1.0)}


def test_known_votes_choose_the_rows():
    points = [SimpleNamespace(text="nothing")] * 500 + [SimpleNamespace(text="a rare link")]
    lf = LabelingFunction("lf", lambda x: SPAM if "rare" in set(x.text.split()) else ABSTAIN)
    assert trace_lf(lf, points, max_rows=10).features == ()
    votes = np.array([[lf(point)] for point in points])
    [record] = trace_lfs([lf], points, max_rows=10, votes=votes)
    assert found(record) == {("rare", SPAM, "token", 1.0)}


@pytest.mark.parametrize("seed", range(10))
def test_every_beginning_of_the_chosen_rows_is_a_sample_of_all_votes(seed):
    rng = np.random.default_rng(seed)
    votes = rng.choice([ABSTAIN, HAM, SPAM], size=300, p=[0.8, 0.15, 0.05])
    rows = list(choose_rows(300, 60, votes))
    assert len(set(rows)) == len(rows) <= 60
    assert [votes[row] for row in rows[:6]] == [HAM, SPAM, ABSTAIN] * 2
    for kind in (ABSTAIN, HAM):
        chosen = np.array([row for row in rows if votes[row] == kind])
        for first in (2, 5, len(chosen)):
            # Evenly spread: no gap is longer than three times the mean one.
            gaps = np.diff(np.sort([0, *chosen[:first], 300]))
            assert gaps.max() <= 3 * 300 / (first + 1) + 300 / (votes == kind).sum() * 3


def test_votes_of_another_size_are_refused():
    lf = LabelingFunction("lf", lambda x: ABSTAIN)
    with pytest.raises(DataError, match="3 votes of LF 'lf' do not fit 7"):
        trace_lf(lf, POINTS, votes=np.zeros(3))
    with pytest.raises(DataError, match=r"shape \(7, 2\).*7 data points and 1 LFs"):
        trace_lfs([lf], POINTS, votes=np.zeros((7, 2)))


def test_the_cost_is_bounded():
    calls = Counter()

    def vote(x):
        calls["lf"] += 1
        return SPAM if any(f"word{i}" in x.text for i in range(50)) else ABSTAIN

    trace(vote, POINTS * 100, max_rows=20, max_runs=30)
    assert 40 <= calls["lf"] <= 20 * 2 + 30
