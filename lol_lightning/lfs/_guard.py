"""Calls of labeling functions on rows: each has a row of its own, its errors have names, its faults are counted."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from snorkel.labeling import LabelingFunction

from lol_lightning.exceptions import LabelingFunctionError
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.lfs.limits import CallLimit, CallTimeoutError
from lol_lightning.lfs.point_copies import private_copy, quick_mark, same_mark, same_point
from lol_lightning.lfs.points import describe_point, field_names

__all__ = ["Faults", "each_own_row"]

_MAX_NAMES = 5
_MAX_VOTE = np.iinfo(np.int64).max
_MAX_TIMEOUTS, _MAX_TIMEOUTS_IN_A_ROW = 5, 3


@dataclass
class _Fault:
    count: int
    row: int
    reason: str
    num_timeouts: int = 0
    num_uncalled: int = 0
    last_timeouts: tuple[int, int] = (-2, 0)
    """The last row on which a call took too long, and how many rows up to it did so without one between them."""


class Faults:
    """Failures of labeling functions: raised at once, or counted where that is wanted.

    Each call that takes too long costs its whole limit. A labeling function is called no more once that has happened on
    5 rows, or on 3 rows one after the other, and abstains on the rest.

    Args:
        tolerant: whether a failure counts as an abstention.

    Attributes:
        falsehoods: names of the labeling functions that returned ``False``, which is class 0 and no abstention.
    """

    __repr__ = short_repr

    def __init__(self, tolerant: bool) -> None:
        self.tolerant = tolerant
        self.falsehoods: dict[str, None] = {}
        self._by_lf: dict[str, _Fault] = {}

    def add(self, name: str, row: int, reason: str, cure: str, cause: Exception | None = None) -> int:
        """Count a failure and return ``ABSTAIN``.

        Raises:
            LabelingFunctionError: if failures are not tolerated.
        """
        if not self.tolerant:
            raise LabelingFunctionError(f"labeling function {name!r} {reason} at row {row}{cure}") from cause
        first = reason if cause is None else f"{reason}: {cause!s:.150}"
        fault = self._by_lf.setdefault(name, _Fault(0, row, first))
        fault.count += 1
        return ABSTAIN

    def look_at(self, name: str, vote: Any) -> None:
        """See whether a valid vote may mean something else than the class that it is."""
        if isinstance(vote, bool | np.bool_) and not vote:
            self.falsehoods[name] = None

    def warn_of_falsehoods(self) -> None:
        """Warn, in one line, of labeling functions that return ``False``."""
        if self.falsehoods:
            warnings.warn(
                f"labeling functions return False: {_first_names(self.falsehoods)}. It counts as a vote for class 0, "
                f"as Snorkel counts it. If it means that the LF has nothing to say, let it return {ABSTAIN}, else "
                "return class ids.",
                stacklevel=2,
            )

    def add_timeout(self, name: str, row: int, seconds: float | None) -> int:
        """Count a call that took too long and return ``ABSTAIN``.

        Raises:
            LabelingFunctionError: if failures are not tolerated.
        """
        vote = self.add(name, row, *_timeout_reason(seconds))
        fault = self._by_lf[name]
        last, length = fault.last_timeouts
        fault.last_timeouts = row, length + 1 if row == last + 1 else 1
        fault.num_timeouts += 1
        return vote

    def calls_no_more(self, name: str) -> bool:
        """Tell whether calls of a labeling function took too long on so many rows that it is called no more."""
        fault = self._by_lf.get(name)
        return fault is not None and (
            fault.num_timeouts >= _MAX_TIMEOUTS or fault.last_timeouts[1] >= _MAX_TIMEOUTS_IN_A_ROW
        )

    def skip(self, name: str, num_rows: int = 1) -> int:
        """Count rows on which a labeling function is not called any more and return ``ABSTAIN``."""
        self._by_lf[name].num_uncalled += num_rows
        return ABSTAIN

    def notes(self, num_rows: int) -> dict[str, str]:
        """Return one line for each labeling function that failed, by its name."""
        return {
            name: f"failed on {f.count} of {num_rows} rows, counted as abstentions (row {f.row}: {f.reason})"
            + (f"; then it was called no more, and abstains on {f.num_uncalled} rows unasked" if f.num_uncalled else "")
            for name, f in self._by_lf.items()
        }

    def describe(self, num_rows: int) -> str:
        """Say in one line which labeling functions failed, how often, and how first; empty if none did."""
        notes = [f"{name!r} {note}" for name, note in self.notes(num_rows).items()]
        more = f"; and {len(notes) - _MAX_NAMES} more" if len(notes) > _MAX_NAMES else ""
        return f"Labeling functions failed: {'; '.join(notes[:_MAX_NAMES])}{more}." if notes else ""


class OwnRows:
    """Hands the same row to one labeling function after the other, each as if it were the first.

    Attributes:
        writers: names of the labeling functions that changed their row.
    """

    def __init__(self) -> None:
        self.writers: dict[str, None] = {}
        self._number = -1
        self._row: Any = None
        self._copy: Any = None
        self._is_fresh = False
        self._mark: tuple[Any, ...] | None = None

    def of(self, number: int, row: Any) -> Any:
        """Return a copy of a row that nobody has changed."""
        if number != self._number or not self._is_fresh:
            self._number, self._row, self._copy = number, row, private_copy(row)
            self._is_fresh, self._mark = True, quick_mark(self._copy)
        return self._copy

    def take_back(self, name: str) -> None:
        """See whether the labeling function of this name has changed its copy."""
        if not (same_mark(self._copy, self._mark) or same_point(self._row, self._copy)):
            self._is_fresh = False
            self.writers[name] = None

    def describe(self) -> str:
        """Say in one line which labeling functions write to their rows; empty if none does."""
        if not self.writers:
            return ""
        names = _first_names(self.writers)
        return f"Labeling functions write to their rows: {names}. Each LF has its own copies, so no other sees that."


class GuardedLF(LabelingFunction):  # type: ignore[misc]
    """A labeling function whose failures name it and the row, and which sees rows as they are in the data."""

    def __init__(self, lf: LabelingFunction, rows: OwnRows, limit: CallLimit, faults: Faults) -> None:
        super().__init__(lf.name, lf)
        self._number, self._rows, self._limit, self._faults = -1, rows, limit, faults

    def __call__(self, x: Any) -> int:
        self._number += 1
        if self._faults.calls_no_more(self.name):
            return self._faults.skip(self.name)
        point = self._rows.of(self._number, x)
        try:
            vote = self._limit(self._f, point)
        except CallTimeoutError:
            return self._faults.add_timeout(self.name, self._number, self._limit.seconds)
        except Exception as error:
            cure = f": {error!s:.300}. {_cure(error, point, x)}"
            return self._faults.add(self.name, self._number, f"raised {type(error).__name__}", cure, error)
        finally:
            self._rows.take_back(self.name)
        try:
            valid = int(vote) == vote and ABSTAIN <= vote <= _MAX_VOTE
        except (TypeError, ValueError, OverflowError):
            valid = False
        if valid:
            self._faults.look_at(self.name, vote)
            return int(vote)
        cure = f"; a vote is a class from 0 on, or {ABSTAIN} to abstain."
        if vote is None:
            cure += f" A function that ends without a return returns None: let it end with return {ABSTAIN}."
        return self._faults.add(self.name, self._number, f"voted {vote!r:.100}", cure)


def _timeout_reason(seconds: float | None) -> tuple[str, str]:
    """Return what to say of a call that took too long, and its cure."""
    return (
        f"took longer than {seconds:g} seconds",
        ". A regular expression with nested repeats, such as (a+)+$, may take for ever: rewrite it. Where the call "
        "needs the time, raise max_call_seconds= (None for no limit); fault_tolerant=True counts it as abstaining.",
    )


def each_own_row(
    lfs: Iterable[LabelingFunction], limit: CallLimit, faults: Faults
) -> tuple[list[GuardedLF], Callable[[], str]]:
    """Guard labeling functions that an applier calls in turn on each row.

    Returns:
        The guarded ones, and what says in one line afterwards which of them write to their rows.
    """
    rows = OwnRows()
    return [GuardedLF(lf, rows, limit, faults) for lf in lfs], rows.describe


def _first_names(lfs: Iterable[str]) -> str:
    names = list(lfs)
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(map(repr, names[:_MAX_NAMES])) + more


def _cure(error: Exception, point: Any, row: Any) -> str:
    """Say what to do about an error: what the row holds, and how it is read."""
    names = field_names(row)
    tolerate = "fault_tolerant=True counts such rows as abstentions"
    if isinstance(error, TypeError) and "expected string or bytes-like object" in str(error) and names:
        if type(row).__name__ in str(error):
            return "It searches in the row itself; let it search in a column of the row, such as x.text."
    if isinstance(error, AttributeError) and isinstance(row, Mapping) and error.name in names:
        return f"The rows are of type {type(row).__name__}: read x[{error.name!r}] in place of x.{error.name}."
    if isinstance(error, TypeError) and f"{type(point).__name__}' object is not sub" in str(error):
        return f"The rows are objects of type {type(point).__name__}: read x.name in place of x['name']; {_has(names)}."
    if names and _is_about(error, point, names):
        return f"{_has(names).capitalize()}; does it read one of these, and rightly?"
    return f"The row is {describe_point(row)}. Let it return {ABSTAIN} on rows that it cannot judge; {tolerate}."


def _is_about(error: Exception, point: Any, names: Sequence[Any]) -> bool:
    """Tell whether an error says that the row has no such column, key or attribute."""
    if isinstance(error, AttributeError):
        return error.obj is None or type(error.obj) is type(point)
    return isinstance(error, KeyError) and error.args[:1] != () and error.args[0] not in names


def _has(names: Sequence[Any]) -> str:
    return f"the rows have the columns {list(map(str, names))}"
