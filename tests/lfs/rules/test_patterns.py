"""What a pattern inspects, read from its syntax tree."""

import json
import re

import pytest

from lol_lightning.lfs.rules._patterns import literal_features, regex_features

SUB, TOK, PRE, SUF = "substring", "token", "prefix", "suffix"


def found(pattern, flags=0):
    return [[(f.clause, f.group), f.term, f.kind, f.value] for f in regex_features(pattern, flags, label=1)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("http", [[(0, 0), "http", SUB, 1]]),
        ("check.*out", [[(0, 0), "check", SUB, 1], [(0, 1), "out", SUB, 1]]),
        (r"\bfree\b", [[(0, 0), "free", TOK, 1]]),
        (r"\bfree", [[(0, 0), "free", PRE, 1]]),
        (r"free(\s|$)", [[(0, 0), "free", SUF, 1]]),
        (r"(?<!\w)free(?!\w)", [[(0, 0), "free", TOK, 1]]),
        (r"(?<=\s)free(?=[.!])", [[(0, 0), "free", TOK, 1], [(0, 1), "!", SUB, 1], [(0, 1), ".", SUB, 1]]),
        ("^free$", [[(0, 0), "free", TOK, 1]]),
        ("( |^)(i)[^\\w]*( |$)", [[(0, 0), "i", TOK, 1]]),
        ("( |^)(thanks\\.|thanks)[^\\w]*( |$)", [[(0, 0), "thanks", TOK, 1]]),
        ("(please )?call", [[(0, 0), "call", SUB, 1]]),
        ("colou?r", [[(0, 0), "color", SUB, 1], [(0, 0), "colour", SUB, 1]]),
        ("[Ff]ree", [[(0, 0), "Free", SUB, 1], [(0, 0), "free", SUB, 1]]),
        ("a|b", [[(0, 0), "a", SUB, 1], [(0, 0), "b", SUB, 1]]),
        (r"\ba\b|b\d", [[(0, 0), "a", TOK, 1], [(0, 0), "b", SUB, 1]]),
        ("a.*b|c", [[(0, 0), "a", SUB, 1], [(0, 1), "b", SUB, 1], [(1, 0), "c", SUB, 1]]),
        ("word.*a|work.*b", [[(0, 0), "word", SUB, 1], [(0, 1), "a", SUB, 1],
                             [(1, 0), "work", SUB, 1], [(1, 1), "b", SUB, 1]]),
        ("(a.*b|c) d", [[(0, 0), "a", SUB, 1], [(0, 1), "b", SUF, 1], [(0, 2), "d", PRE, 1],
                        [(1, 0), "c", SUF, 1], [(1, 1), "d", PRE, 1]]),
        ("good(?! grief)", [[(0, 0), "good", SUB, 1], [(0, 1), "grief", PRE, -1]]),
        ("(?<!not )good", [[(0, 0), "not", SUF, -1], [(0, 1), "good", SUB, 1]]),
        (r"so+ cute", [[(0, 0), "so", SUB, 1], [(0, 1), "cute", PRE, 1]]),
        (r"(foo\d)+", [[(0, 0), "foo", SUB, 1]]),
        (r"(foo\d)*", []),
        (r"\d+", []),
        (".", []),
        ("a?", []),
        ("", []),
        (r"\$5", [[(0, 0), "5", PRE, 1]]),
        (r"\?\?", [[(0, 0), "??", SUB, 1]]),
        ("can't", [[(0, 0), "can't", SUB, 1]]),
        ("check out", [[(0, 0), "check out", SUB, 1]]),
        (r"(\w+) \1 again", [[(0, 0), "again", PRE, 1]]),
        ("(?i:FREE) Now", [[(0, 0), "free Now", SUB, 1]]),
        ("गाना", [[(0, 0), "गाना", SUB, 1]]),
        (r"(\s|^)गाना(\s|$)", [[(0, 0), "गाना", TOK, 1]]),
        ("cafe\u0301|便宜", [[(0, 0), "cafe\u0301", SUB, 1], [(0, 0), "便宜", SUB, 1]]),
        ("free 🎁", [[(0, 0), "free 🎁", SUB, 1]]),
        ("❤\ufe0f.*🎁", [[(0, 0), "❤\ufe0f", SUB, 1], [(0, 1), "🎁", SUB, 1]]),
    ],
)  # fmt: skip
def test_literals_groups_clauses_and_bounds(pattern, expected):
    assert found(pattern) == expected


def test_ignoring_case_lowers_the_terms():
    assert found("CHECK.*Out", re.I) == [[(0, 0), "check", SUB, 1], [(0, 1), "out", SUB, 1]]
    assert found("(?i)CHECK") == [[(0, 0), "check", SUB, 1]]


def test_other_flags_are_followed():
    assert found("f r e e  # spaces do not count", re.X) == [[(0, 0), "free", SUB, 1]]
    assert found("^a$", re.M) == [[(0, 0), "a", TOK, 1]]


def test_clauses_are_numbered_from_the_given_one_and_carry_the_label():
    features = regex_features("a.*b|c", label=3, clause=5)
    assert [f.clause for f in features] == [5, 5, 6]
    assert {f.label for f in features} == {3}
    assert {f.source for f in features} == {"declared"}


def test_too_many_combinations_become_alternatives():
    letters = "abcdefghij"
    branches = [f"{a}{b}word.*end{a}{b}" for a in letters for b in letters]
    features = regex_features("|".join(branches), label=1)
    assert len(features) == 200
    assert {(f.clause, f.group) for f in features} == {(0, 0)}
    pairs = regex_features("".join(f"(x{a}.*y{a}|z{a}.*w{a})" for a in letters), label=1)
    assert {f.term for f in pairs} == {f"{i}{a}" for a in letters for i in "xyzw"}
    assert max(f.clause for f in pairs) < 64


def test_literals_are_bounded_by_what_surrounds_the_word():
    features = literal_features(["no.", " than this", "\tagoni", " agoni", "76ers", "$"], label=0)
    kinds = [(f.term, f.kind) for f in features]
    assert kinds == [("no", SUF), ("than this", PRE), ("agoni", PRE), ("76ers", SUB), ("$", SUB)]


@pytest.mark.wrench
def test_every_word_of_the_sms_patterns_is_found_as_a_token(wrench_root):
    for lf in json.loads((wrench_root / "sms" / "lfs.json").read_text()):
        pattern = lf["rules"][0]["regex"]
        groups = [g for g in re.findall(r"\(([^()\[\]]+)\)", pattern) if g not in (" |^", " |$", r"\w+ ")]
        words = [{re.sub(r"^\W+|\W+$", "", word.replace("\\", "")) for word in group.split("|")} for group in groups]
        features = regex_features(pattern, label=1)
        inspected = [{f.term for f in features if f.group == g} for g in range(len(groups))]
        assert inspected == words, lf["name"]
        assert {f.kind for f in features} == {"token"}, lf["name"]
