"""Tracing on real labeling functions, written as plain Snorkel functions."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from snorkel.labeling import labeling_function

from lol_lightning.inspection.tracing._tracing import Tracer, trace_lfs

pytestmark = pytest.mark.wrench

ABSTAIN, HAM, SPAM = -1, 0, 1
FILE = Path(__file__).parents[3] / "benchmarks" / "accuracy" / "inspected_literals.py"


@pytest.fixture(scope="module")
def literals():
    spec = importlib.util.spec_from_file_location("inspected_literals", FILE)
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
def test_votes_are_the_same_as_without_tracing(wrench_root):
    # On every 50th row; without --every the command compares all rows, which takes minutes. A process of its own is
    # free of the type checks of the tests, which would take ten times as long.
    sets = ["youtube", "sms", "chemprot", "agnews_24k", "yelp_7.6k", "imdb"]
    command = [sys.executable, FILE, wrench_root, *sets, "--votes", "--every", "50"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert [line.split(" of ")[0] for line in output.splitlines()] == [f"{name}: 0" for name in sets]


def test_youtube_votes_on_every_row_are_the_same_as_without_tracing(wrench_root, literals):
    _, points, _ = literals.read_set(wrench_root, "youtube")
    lfs = [short_comment, *(lf for lf, _, _ in YOUTUBE)]
    tracers = [Tracer(lf) for lf in lfs]
    traced = [[tracer.run(point)[0] for tracer in tracers] for point in points]
    assert traced == [[lf(SimpleNamespace(text=point.text)) for lf in lfs] for point in points]
