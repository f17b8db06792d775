"""Regular expressions that cut a text into words are followed as ``split()`` is, however they are called."""

import re
from types import SimpleNamespace

import pytest
from snorkel.labeling import LabelingFunction

from lol_lightning.inspection.tracing._tracing import trace_lf

POINTS = [SimpleNamespace(text=t) for t in ("free cash now", "what a song", "check this", "my free song", "nothing")]
TOKEN = re.compile(r"\w+")
PATTERNS = {"token": TOKEN}


class Holder:
    own = re.compile(r"\w+")

    def __init__(self):
        self.pattern = re.compile(r"\w+")

    def by_instance(self, x):
        return 1 if "free" in self.pattern.findall(x.text) else -1

    def by_class(self, x):
        return 1 if "free" in self.own.findall(x.text) else -1


def helper(text):
    return [match.group() for match in TOKEN.finditer(text)]


def closed_over():
    pattern = re.compile(r"\w+")
    return lambda x: 1 if "free" in pattern.findall(x.text) else -1


def without_source(source):
    return eval(f"lambda x: 1 if {source} else -1", {"re": re, "TOKEN": TOKEN})


def compiled_inside(x):
    return 1 if "free" in re.compile(r"\W+").split(x.text) else -1


FUNCTIONS = {
    "findall": lambda x: 1 if "free" in re.findall(r"\w+", x.text) else -1,
    "lowered": lambda x: 1 if "free" in re.findall(r"\w+", x.text.lower()) else -1,
    "split": lambda x: 1 if "free" in re.split(r"\W+", x.text) else -1,
    "finditer": lambda x: 1 if any(m.group() == "free" for m in re.finditer(r"\w+", x.text)) else -1,
    "item of a match": lambda x: 1 if any(m[0] == "free" for m in TOKEN.finditer(x.text)) else -1,
    "groups": lambda x: 1 if any(word == "free" for word, _ in re.findall(r"(\w+)(\s|$)", x.text)) else -1,
    "named group": lambda x: 1 if any(m.groupdict()["w"] == "free" for m in re.finditer(r"(?P<w>\w+)", x.text)) else -1,
    "set": lambda x: 1 if {"free"} & set(re.findall(r"\w+", x.text)) else -1,
    "compiled": lambda x: 1 if "free" in TOKEN.findall(x.text) else -1,
    "compiled inside": compiled_inside,
    "in a dict": lambda x: 1 if "free" in PATTERNS["token"].findall(x.text) else -1,
    "in a closure": closed_over(),
    "in an object": Holder().by_instance,
    "in a class": Holder().by_class,
    "in a helper": lambda x: 1 if "free" in helper(x.text) else -1,
    "no source": without_source("'free' in TOKEN.findall(x.text)"),
    "no source, finditer": without_source("any(m.group() == 'free' for m in TOKEN.finditer(x.text))"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_words_are_found_as_after_split(name):
    lf = LabelingFunction("lf", FUNCTIONS[name])
    first, second = trace_lf(lf, POINTS), trace_lf(lf, POINTS)
    assert [(f.term, f.label, f.kind, f.value) for f in first.features] == [("free", 1, "token", 1.0)]
    assert first.notes == ()
    assert second == first


def test_alternatives_in_one_text_do_not_hide_behind_the_tokenizer():
    lf = LabelingFunction("lf", lambda x: 1 if {"free", "cash"} & set(TOKEN.findall(x.text)) else -1)
    points = [*POINTS, SimpleNamespace(text="cash only")]
    assert {f.term for f in trace_lf(lf, points).features} == {"free", "cash"}


def test_the_group_of_a_match_is_part_of_the_text():
    lf = LabelingFunction("lf", lambda x: 1 if re.search(r"\w*", x.text).group() == "free" else -1)
    assert [(f.term, f.kind) for f in trace_lf(lf, POINTS).features] == [("free", "substring")]


def test_a_pattern_without_a_literal_that_decides_by_itself_is_named():
    points = [SimpleNamespace(text=text) for text in ("call 12", "no number", "34")]
    record = trace_lf(LabelingFunction("lf", lambda x: 1 if re.findall(r"\d+", x.text) else -1), points)
    assert record.features == ()
    assert r"pattern '\\d+' asks for no literal" in record.notes


def test_patterns_stand_in_their_places_again():
    holder = Holder()
    trace_lf(LabelingFunction("lf", holder.by_instance), POINTS)
    trace_lf(LabelingFunction("lf", FUNCTIONS["in a dict"]), POINTS)
    for pattern in (holder.pattern, Holder.own, TOKEN, PATTERNS["token"]):
        assert type(pattern) is re.Pattern
