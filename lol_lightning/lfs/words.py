"""What a word is, in any script: patterns that vectorizers, records of LFs and probing cut texts with."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

__all__ = ["CONTENT", "NO_SPACES", "TOKEN", "WORD", "canonical"]


def _ranges(codes: Iterable[int]) -> str:
    """Return ascending code points as the inside of a character class."""
    runs: list[list[int]] = []
    for code in codes:
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in runs)


_SELECTORS = "\ufe00-\ufe0f"
_KEYCAP = "\u20e3"
# ``\w`` leaves out the marks that stand above, below or beside a letter: vowels of Hindi, accents in decomposed text.
_MARKS = _ranges(
    code
    for code in range(0x300, 0x1F000)
    if unicodedata.category(chr(code)).startswith("M") and not 0xFE00 <= code <= 0xFE0F and chr(code) != _KEYCAP
)
_HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HIRAGANA = "\u3041-\u3096\u309d-\u309f"
_KATAKANA = "\u30a1-\u30fa\u30fd-\u30ff\u31f0-\u31ff\uff66-\uff9f"
_LONG = "\u30fc"
_OF_KANA = f"\u3099\u309a{_LONG}"
_CUT = f"{_HAN}{_HIRAGANA}{_KATAKANA}{_OF_KANA}"
_SOUTHEAST_ASIAN = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\ua9e0-\ua9ff\uaa60-\uaa7f"

_PICTURES = "\u231a\u231b\u2600-\u27bf\u2b50\u2b55\U0001f000-\U0001f1e5\U0001f200-\U0001faff"
_SYMBOLS = "\xa9\xae\u203c\u2049\u2122\u2190-\u23ff\u24c2\u25a0-\u25ff\u2900-\u297f\u2b00-\u2bff\u3030\u303d"
_FLAG = "\U0001f1e6-\U0001f1ff"
_SKIN = "\U0001f3fb-\U0001f3ff"
_TAGS = "\U000e0020-\U000e007f"
_picture = f"(?:[{_PICTURES}]|[{_SYMBOLS}](?=\ufe0f))[{_SKIN}]?[{_TAGS}]*"
_emoji = f"[{_FLAG}]{{1,2}}|{_picture}(?:\ufe0f?\u200d{_picture})*"

_ascii = r"[a-zA-Z0-9_]+"
_letter = rf"[^\W{_CUT}]"
_word = f"{_letter}+(?:[{_MARKS}]+{_letter}*)*"
_cut = f"[{_HAN}][{_MARKS}]*|[{_HIRAGANA}][{_HIRAGANA}{_OF_KANA}]*|[{_KATAKANA}{_LONG}][{_KATAKANA}{_OF_KANA}]*"
_joined = f"{_word}(?:['\u2019\u200c\u200d]{_word})*"

TOKEN = (
    rf"(?u)([0-9#*]\ufe0f?{_KEYCAP}|\d+(?:[.,]\d+)+|{_ascii}(?![a-zA-Z0-9_'\x80-\U0010ffff])|{_joined}|[$€£¥%!?]"
    rf"|{_cut}|{_emoji})[\ufe0e\ufe0f]?"
)
"""Tokens of a text; the only group holds the token.

Numbers with their decimals; words of any length with their apostrophes, joiners and combining marks; the marks that LFs
ask for. Each Han character is a token, and so is each run of hiragana or katakana, because nothing else separates their
words. An emoji is a token with its skin tone and all that is joined to it, without a variation selector at its end.
Words of ASCII come first because they are most: the pattern is as fast as ``\\w+`` on them.
"""

WORD = f"(?u)({_ascii}(?![a-zA-Z0-9_\\x80-\U0010ffff])|{_word}|{_cut}|{_emoji})"
"""Tokens without numbers' decimals, apostrophes and marks such as ``!``: what ``\\w+`` finds in text of ASCII."""

CONTENT = rf"[\w{_MARKS}{_SELECTORS}{_KEYCAP}\u200c\u200d{_PICTURES}{_FLAG}{_TAGS}]"
"""One character of a word or an emoji."""

NO_SPACES = f"[{_CUT}{_SOUTHEAST_ASIAN}]"
"""One character of a script that puts no spaces between words."""

_SELECTOR = re.compile("[\ufe0e\ufe0f]")


def canonical(text: str) -> str:
    r"""Return a text in the one form of several that look alike: composed, and without selectors of an emoji's style.

    Example:
        >>> canonical("cafe\u0301 \u2764\ufe0f") == "caf\xe9 \u2764"
        True
    """
    return text if text.isascii() else _SELECTOR.sub("", unicodedata.normalize("NFC", text))
