"""Which part of a text stays where it is too long: its beginning, or a window around words that must not be lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from lol_lightning.exceptions import DataError

__all__ = ["Span", "shortened", "window_start"]

Span: TypeAlias = tuple[int, int]
"""Characters ``text[start:end]``; an empty span asks for nothing."""

_WORD = re.compile(r"\S+")


def window_start(size: int, room: int, keep: Span | None = None, cut_left: bool = False) -> int:
    """Return where a window of ``room`` consecutive places out of ``size`` starts.

    Args:
        size: number of places, at least ``room``.
        room: length of the window, at least that of ``keep``.
        keep: first place that must be in the window, and the one behind the last; ``None`` for no such place.
        cut_left: whether places at the beginning are left out, unless ``keep`` stands there.

    Example:
        >>> window_start(10, 4), window_start(10, 4, keep=(2, 4)), window_start(10, 4, keep=(7, 8))
        (0, 0, 5)
    """
    start = size - room if cut_left else 0
    if keep is None or start <= keep[0] <= keep[1] <= start + room:
        return start
    return min(max((keep[0] + keep[1] - room) // 2, 0), size - room)


def shortened(
    texts: Sequence[str],
    spans: Sequence[Span | None],
    max_length: int,
    count: Callable[[list[str]], list[int]],
) -> list[str]:
    """Leave out words at the far side of the span of each text, until the text has few enough tokens.

    Where the words in the span, or a text of one word, are too long, single characters are left out.

    Args:
        texts: that have too many tokens.
        spans: characters that must stay.
        max_length: most tokens that a text may have.
        count: returns the number of tokens of texts.

    Raises:
        DataError: if a span by itself has more tokens.

    Example:
        >>> shortened(["a b c d e", "a b c d e"], [None, (8, 9)], 2, lambda texts: [len(t.split()) for t in texts])
        ['a b', 'd e']
    """
    short = _fewest_cut([_words_of(text) for text in texts], texts, spans, max_length, count)
    left = [row for row, text in enumerate(short) if text is None]
    characters = [[(place, place + 1) for place in range(len(texts[row]))] for row in left]
    again = _fewest_cut(characters, [texts[row] for row in left], [spans[row] for row in left], max_length, count)
    for row, text in zip(left, again, strict=True):
        if text is None:
            kept = "" if spans[row] is None else texts[row][slice(*spans[row])]  # type: ignore[misc]
            raise DataError(
                f"the tokenizer makes more than max_length = {max_length} tokens of {kept!r:.60}. Raise max_length=."
            )
        short[row] = text
    return [text for text in short if text is not None]


def _fewest_cut(
    units: Sequence[Sequence[Span]],
    texts: Sequence[str],
    spans: Sequence[Span | None],
    max_length: int,
    count: Callable[[list[str]], list[int]],
) -> list[str | None]:
    """Find the largest number of units that fits, by bisection in all texts at once; ``None`` where not one fits."""
    keeps = [_covered(of_text, span) for of_text, span in zip(units, spans, strict=True)]
    low = [0 if keep is None else keep[1] - keep[0] - 1 for keep in keeps]
    fewest, high = list(low), [len(of_text) for of_text in units]
    while open_rows := [row for row in range(len(texts)) if low[row] < high[row]]:
        sizes = {row: (low[row] + high[row] + 1) // 2 for row in open_rows}
        lengths = count([_window(texts[row], units[row], sizes[row], keeps[row]) for row in open_rows])
        for row, length in zip(open_rows, lengths, strict=True):
            if length <= max_length:
                low[row] = sizes[row]
            else:
                high[row] = sizes[row] - 1
    return [
        _window(texts[row], units[row], low[row], keeps[row]) if low[row] > fewest[row] else None
        for row in range(len(texts))
    ]


def _window(text: str, units: Sequence[Span], size: int, keep: Span | None) -> str:
    start = window_start(len(units), size, keep)
    return text[units[start][0] : units[start + size - 1][1]]


def _words_of(text: str) -> list[Span]:
    return [match.span() for match in _WORD.finditer(text)]


def _covered(units: Sequence[Span], span: Span | None) -> Span | None:
    """Positions of the units that a span touches, ``None`` where it touches none."""
    touched = [] if span is None else [i for i, unit in enumerate(units) if unit[0] < span[1] and unit[1] > span[0]]
    return (touched[0], touched[-1] + 1) if touched else None
