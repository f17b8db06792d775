"""Tracing on real labeling functions, written as plain Snorkel functions."""

import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from snorkel.labeling import labeling_function

from lol_lightning.lfs.tracing import Tracer, trace_lfs

pytestmark = pytest.mark.wrench

ABSTAIN, HAM, SPAM = -1, 0, 1


@pytest.fixture(scope="module")
def literals():
    file = Path(__file__).parents[2] / "benchmarks" / "inspected_literals.py"
    spec = importlib.util.spec_from_file_location("inspected_literals", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@labeling_function()
def keyword_my(x):
    return SPAM if "my" in x.text.lower() else ABSTAIN


@labeling_function()
def keyword_subscribe(x):
    return SPAM if "subscribe" in x.text.lower() else ABSTAIN


@labeling_function()
def keyword_link(x):
    return SPAM if x.text.lower().find("http") >= 0 else ABSTAIN


@labeling_function(resources={"words": ["please", "plz"]})
def keyword_please(x, words):
    return SPAM if any(word in x.text.lower() for word in words) else ABSTAIN


@labeling_function()
def keyword_song(x):
    text = x.text.lower()
    for word in ["song"]:
        if word in text:
            return HAM
    return ABSTAIN


@labeling_function()
def regex_check_out(x):
    return SPAM if re.search(r"check.*out", x.text, flags=re.I) else ABSTAIN


@labeling_function()
def short_comment(x):
    return HAM if len(x.text.split()) < 5 else ABSTAIN


YOUTUBE = [
    (keyword_my, SPAM, {"my"}),
    (keyword_subscribe, SPAM, {"subscribe"}),
    (keyword_link, SPAM, {"http"}),
    (keyword_please, SPAM, {"please", "plz"}),
    (keyword_song, HAM, {"song"}),
    (regex_check_out, SPAM, {"check", "out"}),
]


def test_the_words_of_the_youtube_lfs_are_found(wrench_root, literals):
    _, points, _ = literals.read_set(wrench_root, "youtube")
    records = trace_lfs([lf for lf, _, _ in YOUTUBE], points)
    for (lf, label, words), record in zip(YOUTUBE, records, strict=True):
        assert (record.name, {f.term for f in record.features}) == (lf.name, words)
        assert {(f.label, f.value, f.source, f.column) for f in record.features} == {(label, 1.0, "traced", "text")}
        assert (record.columns, record.notes) == (("text",), ())


def test_the_length_rule_of_youtube_is_a_length(wrench_root, literals):
    _, points, _ = literals.read_set(wrench_root, "youtube")
    [record] = trace_lfs([short_comment], points)
    assert [(f.term, f.label, f.kind, f.value) for f in record.features] == [("words", HAM, "length", -1.0)]


@pytest.mark.parametrize("name", ["youtube", pytest.param("sms", marks=pytest.mark.slow), "chemprot"])
def test_literals_are_found(wrench_root, literals, name):
    scores = literals.compare(wrench_root, name, max_rows=100)
    assert min(scores) >= 0.95


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["youtube", "sms", "chemprot", "agnews_24k", "yelp_7.6k", "imdb"])
def test_every_vote_is_the_same_as_without_tracing(wrench_root, literals, name):
    entries, points, published = literals.read_set(wrench_root, name)
    lfs = [literals.plain_lf(entry["name"], entry["rules"]) for entry in entries]
    tracers = [Tracer(lf) for lf in lfs]
    traced = np.array([[tracer.run(point)[0] for tracer in tracers] for point in points])
    np.testing.assert_array_equal(traced, [[lf(point) for lf in lfs] for point in points])
    np.testing.assert_array_equal(traced, published)


def test_youtube_votes_on_every_row_are_the_same_as_without_tracing(wrench_root, literals):
    _, points, _ = literals.read_set(wrench_root, "youtube")
    lfs = [short_comment, *(lf for lf, _, _ in YOUTUBE)]
    tracers = [Tracer(lf) for lf in lfs]
    traced = [[tracer.run(point)[0] for tracer in tracers] for point in points]
    assert traced == [[lf(SimpleNamespace(text=point.text)) for lf in lfs] for point in points]
