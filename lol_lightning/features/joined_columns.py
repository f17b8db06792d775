"""Text columns that hold the texts of others: a model reads title and body joined, and LFs read them apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from lol_lightning.features.feature_space import FeatureSpace
from lol_lightning.features.vocabulary import FOREIGN
from lol_lightning.lfs.record import InspectedFeature, LFRecord
from lol_lightning.lfs.rows import Rows, column_of
from lol_lightning.lfs.token_lists import text_of
from lol_lightning.lfs.words import WORD

__all__ = ["JoinedColumns", "describe_joined", "in_joined_columns", "joined_columns", "joined_features"]

JoinedColumns: TypeAlias = dict[str, tuple[str, ...]]
"""By the name of a column, the text columns that hold its texts."""

_ROWS = 200
_MOST, _FEW = 0.95, 0.5
"""Share of the rows whose text holds that of the column, at least, and of rows that hold another row's, at most."""
_WORD = re.compile(WORD)
_OF_WORDS = ("token", "prefix", "suffix", "substring")


def joined_columns(data: Rows, text_columns: Sequence[str], columns: Iterable[str]) -> JoinedColumns:
    """Find the columns whose words stand, in their order, within those of a text column, row by row.

    Capitals, blanks and marks do not count. A row holds another row's text by chance only: where that happens often,
    nothing is concluded.

    Args:
        data: rows, the first 200 of which are looked at.
        text_columns: what the model reads.
        columns: what the LFs read besides.

    Example:
        >>> import pandas as pd
        >>> rows = pd.DataFrame({"title": ["Great", "Bad buy"], "text": ["Great it works", "Bad buy it broke"]})
        >>> joined_columns(rows, ["text"], ["title"])
        {'title': ('text',)}
    """
    wholes = {name: _texts(data, name) for name in text_columns}
    joined: JoinedColumns = {}
    for column in dict.fromkeys(columns):
        parts = _texts(data, column)
        holders = tuple(name for name, texts in wholes.items() if _holds(texts, parts))
        if column not in wholes and holders:
            joined[column] = holders
    return joined


def joined_features(features: Iterable[InspectedFeature], joined: JoinedColumns) -> Iterator[InspectedFeature]:
    """Yield the inspected words of columns that a text column holds, as words of that text column."""
    for feature in features:
        if feature.column in joined and feature.kind in _OF_WORDS:
            for holder in joined[feature.column]:
                yield replace(feature, column=holder)


def in_joined_columns(records: Sequence[LFRecord], space: FeatureSpace, joined: JoinedColumns) -> list[LFRecord]:
    """Return records whose findings in a column that the space does not read are findings in the text that holds it.

    Args:
        records: what the LFs inspect.
        space: fitted.
        joined: what ``joined_columns`` returned.
    """
    return [
        replace(record, features=tuple(one for feature in record.features for one in _found_in(feature, space, joined)))
        for record in records
    ]


def describe_joined(joined: Mapping[str, Sequence[str]]) -> str:
    """Say in one line where the words of joined columns are looked for.

    Example:
        >>> describe_joined({"title": ("text",), "body": ("text",)})
        "The text column 'text' holds the texts of 'title', 'body', so what LFs inspect there is looked for in it."
    """
    by_holders: dict[tuple[str, ...], list[str]] = {}
    for column, holders in joined.items():
        by_holders.setdefault(tuple(holders), []).append(column)
    return " ".join(
        f"The text column {', '.join(map(repr, holders))} holds the texts of {', '.join(map(repr, columns))}, so what "
        "LFs inspect there is looked for in it."
        for holders, columns in by_holders.items()
    )


def _found_in(feature: InspectedFeature, space: FeatureSpace, joined: JoinedColumns) -> list[InspectedFeature]:
    if feature.column not in joined or not space.map_feature(feature).remark.startswith(FOREIGN):
        return [feature]
    return list(joined_features([feature], joined)) or [feature]


def _texts(data: Rows, column: str) -> list[str]:
    """Return the words of the first rows in lower case, each between blanks; empty for what is no text."""
    if not isinstance(data, list | tuple) and hasattr(data, "columns"):
        # Records write the name of a column as text, whatever it is.
        column = next((name for name in data.columns if str(name) == column), column)
    values = column_of(data[:_ROWS], column)
    words = [_WORD.findall((text_of(value) or "").lower()) for value in values or ()]
    return [f" {' '.join(row)} " if row else "" for row in words]


def _holds(wholes: Sequence[str], parts: Sequence[str]) -> bool:
    rows = [i for i, part in enumerate(parts) if part]
    if not wholes or not rows:
        return False
    held = sum(parts[i] in wholes[i] for i in rows)
    others = [(i, j) for i, j in zip(rows, rows[1:] + rows[:1], strict=True) if parts[i] != parts[j]]
    by_chance = sum(parts[j] in wholes[i] for i, j in others)
    return bool(others) and held >= _MOST * len(rows) and by_chance <= _FEW * len(others)
