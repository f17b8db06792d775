"""Columns of text that the text of a model holds, as where title and body were joined into one column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from lol_lightning.lfs.rows import Rows, column_of

__all__ = ["columns_within"]


def columns_within(texts: Sequence[str], data: Rows, columns: Iterable[str], ignore_case: bool) -> list[str]:
    """Return those columns whose text is part of the model's text on every row, in order of their names.

    What an LF asks of such a column, it asks of a part of the text, so that its words are words of the text.

    Args:
        texts: the model's texts, one for each row.
        data: the rows.
        columns: names of columns, as inspected features have them.
        ignore_case: whether the model's words are lower-cased.

    Example:
        >>> rows = pd.DataFrame({"title": ["Good", "Bad"], "user": ["ann", "ben"], "text": ["good song", "bad one"]})
        >>> columns_within(rows.text.tolist(), rows, {"title", "user"}, ignore_case=True)
        ['title']
    """
    if ignore_case:
        texts = [text.lower() for text in texts]
    names = {str(name): name for name in data.columns} if isinstance(data, pd.DataFrame) else {}
    within = []
    for column in sorted(columns):
        values = column_of(data, names.get(column, column)) or []
        if not any(values) or not all(isinstance(value, str) for value in values):
            continue
        parts = [value.strip().lower() if ignore_case else value.strip() for value in values]
        if any(parts) and all(part in text for part, text in zip(parts, texts, strict=True)):
            within.append(column)
    return within
