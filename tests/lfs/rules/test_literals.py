"""Required literals never exclude a text that the pattern matches."""

import random
import re

import pytest

from lol_lightning.lfs.rules._corpus import TextBlock
from lol_lightning.lfs.rules._literals import UNFAITHFUL, fold, required_literals

ALPHABET = "aAkKsSiIßéÉ\u017f\u0130\u0131\u212a b\n"
ALL = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)


def may_match(pattern, text, flags=0):
    index = TextBlock([text]).folded
    return all(index.holding(literals)[0] for literals in required_literals(pattern, flags))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("check.*out", [{b"check"}, {b"out"}]),
        ("(call|ring)tone", [{b"calltone", b"ringtone"}]),
        ("( |^)win", [{b" win", b"\xffwin"}]),
        (r"\bFREE\b", [{b"free"}]),
        ("a(b|)c", [{b"abc", b"ac"}]),
        ("(ab)?c*", []),
        ("(ab)+", [{b"ab"}]),
        ("(a.b|cd)e", [{b"a", b"cd"}, {b"e"}]),
        ("(a.b|c*)e", [{b"e"}]),
        ("never.*again|not.*again", [{b"never", b"again"}]),
        ("ab(?=cd)", [{b"ab"}, {b"cd"}]),
        ("ab(?!cd)", [{b"ab"}]),
        ("a$", [{b"a"}]),
        ("[a-z]b", [{b"b"}]),
        ("über", ["über".encode()]),
        ("(?i)über", [{b"ber"}]),
        ("x{3}", [{b"x"}]),
    ],
)
def test_what_is_required(pattern, expected):
    assert [set(literals) for literals in required_literals(pattern)] == [
        {one} if isinstance(one, bytes) else one for one in expected
    ]


@pytest.mark.parametrize(
    ("pattern", "text", "flags"),
    [
        ("a$\\n?", "a\n", 0),
        ("a$\\n", "a\n", 0),
        ("^^a", "a", 0),
        ("\\b^a", "a", 0),
        ("^a", "b\na", re.M),
        ("\\n^a", "b\na", re.M),
        ("a$\\nb", "a\nb", re.M),
        ("^$", "", 0),
        ("($)^", "", 0),
        ("kiss", "\u212aI\u017fS", re.I),
        ("KISS", "k\u0130ss", re.I),
        ("\u0131", "i", re.I),
        ("k\u0131", "K\u0131", re.I),
        ("stra\u017fse", "STRASSE", re.I),
        ("éa", "ÉA", re.I),
        ("(?i:a)É", "AÉ", 0),
        ("É", "É", 0),
        ("\u0130", "\u0130", 0),
        ("\u017f", "\u017f", 0),
        ("(?=a)a", "a", 0),
        ("(?<=^a)b", "ab", 0),
        ("(?<!x)b", "b", 0),
        ("\ud800", "a\ud800", 0),
        ("\U0010ffff", "\U0010ffff", 0),
        ("a(?:)b", "ab", 0),
        ("(a|ab)(c|bcd)", "abcd", 0),
        ("a{2,}b", "aaab", 0),
        ("a{0}b", "b", 0),
        ("(?:ab){2}", "abab", 0),
        ("(a)?(?(1)b|c)", "c", 0),
        ("a b  # c", "ab", re.X),
    ],
)
def test_a_text_that_matches_is_never_excluded(pattern, text, flags):
    assert re.search(pattern, text, flags)
    assert may_match(pattern, text, flags)


def test_a_text_without_a_required_literal_is_excluded():
    assert not may_match("check.*out", "check in")
    assert not may_match("( |^)win", "darwin")


def test_folding_unites_all_that_ignoring_case_takes_for_an_ascii_letter():
    for letter in "abcdefghijklmnopqrstuvwxyz":
        for match in re.findall(letter, ALL, re.I):
            assert fold(match.encode()) == letter.encode(), (letter, hex(ord(match)))


def test_only_the_unfaithful_characters_become_ascii_or_match_it():
    unfaithful = {char.decode() for char in UNFAITHFUL}
    becoming = {char for char in ALL if not char.isascii() and any(c.isascii() for c in char.lower())}
    matching = {char for char in re.findall("[a-z]", ALL, re.I) if not char.isascii()}
    assert becoming | matching == unfaithful


def random_pattern(rng, depth=3):
    def piece():
        kinds = ["literal"] * 6 + ["class", "any", "edge", "escape"] + (["group", "branch", "look"] if depth else [])
        kind = rng.choice(kinds)
        if kind == "literal":
            text = "".join(rng.choice(ALPHABET) for _ in range(rng.randint(1, 3)))
        elif kind == "class":
            text = rng.choice(["[ab]", "[^a]", "[a-k]", "[s\u017f]", "[\u0130i]", r"[\s]", "[a-é]"])
        elif kind == "any":
            text = "."
        elif kind == "edge":
            return rng.choice(["^", "$", r"\b", r"\B", r"\A", r"\Z"])
        elif kind == "escape":
            text = rng.choice([r"\w", r"\W", r"\s", r"\d"])
        elif kind == "look":
            return f"(?{rng.choice(['=', '!', '<=', '<!'])}{rng.choice(['a', 'sk', ' ', 'K', '^', 'é'])})"
        elif kind == "branch":
            text = f"(?:{random_pattern(rng, depth - 1)}|{random_pattern(rng, depth - 1)})"
        else:
            text = f"({rng.choice(['', '?:', '?i:'])}{random_pattern(rng, depth - 1)})"
        return f"(?:{text}){rng.choice(['?', '*', '+', '{2}', '{1,2}', '+?', '{0}'])}" if rng.random() < 0.25 else text

    return "".join(piece() for _ in range(rng.randint(1, 4)))


@pytest.mark.parametrize("seed", range(8))
def test_random_patterns_and_texts(seed):
    rng = random.Random(seed)
    texts = ["".join(rng.choice(ALPHABET) for _ in range(rng.randint(0, 8))) for _ in range(60)]
    block, matched, excluded = TextBlock(texts), 0, 0
    for _ in range(250):
        # A capture group may not come before a global flag; flags are given beside the pattern.
        pattern, flags = random_pattern(rng), rng.choice([0, re.I, re.M, re.I | re.M, re.I | re.A])
        required = required_literals(pattern, flags)
        held = [block.folded.holding(literals) for literals in required]
        for row, text in enumerate(texts):
            hit = re.search(pattern, text, flags) is not None
            allowed = all(holding[row] for holding in held)
            assert allowed or not hit, (pattern, flags, text, required)
            matched, excluded = matched + hit, excluded + (not allowed)
    assert matched > 500
    assert excluded > 500
