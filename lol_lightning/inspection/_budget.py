"""The budget of an inspection: how often labeling functions may be called, and for how long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from lol_lightning.exceptions import check_number
from lol_lightning.lfs.limits import CALL_SECONDS, CallLimit, CallTimeoutError

__all__ = ["ENDED", "Budget"]

_T = TypeVar("_T")

ENDED = "budget ended"
"""How the note of a record begins that tells of a budget that ended."""


class Budget:
    """A number of calls and of seconds; calls are counted by those who make them.

    Where the budget's ``limit`` is entered (``with budget.limit:``), a single call is interrupted once it takes longer
    than ``max_call_seconds``, or than the budget lasts. A labeling function that hangs once is not called again.

    Args:
        max_calls: how many calls may be made; ``None`` sets no limit.
        max_seconds: how long calls may be made, from now on; ``None`` sets no limit.
        max_call_seconds: how long one call may take; ``None`` sets no limit.

    Raises:
        ConfigurationError: if a limit is negative, or that of one call not positive.

    Example:
        >>> budget = Budget(max_calls=5)
        >>> budget.spend(4)
        >>> budget.allows(), budget.allows(2), budget.part(2).calls_left
        (True, False, 0)
    """

    def __init__(
        self,
        max_calls: int | None = None,
        max_seconds: float | None = None,
        max_call_seconds: float | None = CALL_SECONDS,
    ) -> None:
        if max_calls is not None:
            check_number("max_calls", max_calls, at_least=0, whole=True)
        if max_seconds is not None:
            check_number("max_seconds", max_seconds, at_least=0)
        self.max_calls, self.max_seconds = max_calls, max_seconds
        self.calls = 0
        self.limit = CallLimit(max_call_seconds)
        self._hangs = False
        self._start = time.monotonic()

    @property
    def calls_left(self) -> int | None:
        """How many calls may still be made, ``None`` without a limit."""
        return None if self.max_calls is None else max(0, self.max_calls - self.calls)

    @property
    def seconds_left(self) -> float | None:
        """How long calls may still be made, ``None`` without a limit."""
        return None if self.max_seconds is None else max(0.0, self.max_seconds - self.seconds)

    @property
    def seconds(self) -> float:
        """Seconds since the budget was made."""
        return time.monotonic() - self._start

    def allows(self, calls: int = 1) -> bool:
        """Tell whether so many more calls may be made."""
        enough = self.calls_left is None or self.calls_left >= calls
        return enough and self.seconds_left != 0.0 and not self._hangs

    def spend(self, calls: int = 1) -> None:
        """Count calls."""
        self.calls += calls

    def call(self, function: Callable[..., _T], *args: Any) -> _T:
        """Count a call, and make it for as long as one may take.

        Raises:
            CallTimeoutError: if it takes longer; the budget then allows no more.
        """
        self.spend()
        try:
            return self.limit(function, *args, seconds=self.seconds_left)
        except CallTimeoutError:
            self.stop()
            raise

    def stop(self) -> None:
        """Allow no more calls, as one has taken too long."""
        self._hangs = True

    def part(self, parts: int, at_once: int = 1) -> Budget:
        """Return a new budget of an equal part of what is left.

        Args:
            parts: number of equal parts.
            at_once: how many of the parts are spent at the same time, which concerns the seconds alone.
        """
        calls = None if self.calls_left is None else self.calls_left // max(1, parts)
        seconds = None if self.seconds_left is None else self.seconds_left * min(1.0, at_once / max(1, parts))
        return Budget(calls, seconds, self.limit.seconds)
