"""Answers that a labeling function looks up by a column that is no text, such as a language model's by the row's id."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from lol_lightning.inspection.tracing._queries import Trace
from lol_lightning.lfs.points import field_names, read_field

__all__ = ["LookUp", "field_of", "look_ups"]

_MIN_ROWS = 10
"""From so many rows with a value of their own on, a column counts as their number, not as a property."""


class LookUp(NamedTuple):
    """A dict within reach whose keys are the values of a column that the LF reads."""

    table: str
    """Name of the dict."""
    column: str
    """Name of the column."""
    is_by_row: bool
    """Whether each row has a value of its own, so that the column tells nothing of what the answers rest on."""

    def note(self, has_features: bool) -> str:
        """Say so in words; findings of the LF make the defeat one in part."""
        if self.is_by_row:
            extent = "defeated tracing in part" if has_features else "defeated tracing"
            return (
                f"{extent}: looks answers up in {self.table!r} by {self.column!r}, of which each row has its own "
                "value, and nobody sees what the answers rest on"
            )
        return f"looks answers up in {self.table!r} by {self.column!r}"


def look_ups(
    tables: Sequence[tuple[str, Mapping[Any, Any]]], runs: Sequence[tuple[Any, int, Trace]], columns: Sequence[str]
) -> list[LookUp]:
    """Return which dicts the LF can have looked into by a column, at most one for each column.

    Args:
        tables: the dicts within reach whose keys are no texts, by name.
        runs: data point, vote and trace of each row.
        columns: what the LF reads.

    Example:
        >>> runs = [({"id": row}, row % 2, Trace(columns={"id": False})) for row in range(20)]
        >>> look_ups([("ANSWERS", {row: "yes" for row in range(30)})], runs, ["id"])
        [LookUp(table='ANSWERS', column='id', is_by_row=True)]
    """
    results = []
    for column in columns:
        read = [field_of(point, column) for point, _, trace in runs if trace.columns.get(column) is False]
        values = [value for value in read if isinstance(value, Hashable) and value is not None]
        for name, table in tables if values else ():
            if 2 * sum(value in table for value in values) >= len(values):
                results.append(LookUp(name, column, len(values) >= _MIN_ROWS and len(set(values)) == len(values)))
                break
    return results


def field_of(point: Any, name: str) -> Any:
    """Return the field of a data point that reads like ``name``, a number or not."""
    return read_field(point, next(each for each in field_names(point) if str(each) == name))
