"""The budget of an inspection: how often labeling functions may be called, and for how long."""

from __future__ import annotations

import time

from lol_lightning.exceptions import ConfigurationError

__all__ = ["ENDED", "Budget"]

ENDED = "budget ended"
"""How the note of a record begins that tells of a budget that ended."""


class Budget:
    """A number of calls and of seconds; calls are counted by those who make them.

    Args:
        max_calls: how many calls may be made; ``None`` sets no limit.
        max_seconds: how long calls may be made, from now on; ``None`` sets no limit.

    Raises:
        ConfigurationError: if a limit is negative.

    Example:
        >>> budget = Budget(max_calls=5)
        >>> budget.spend(4)
        >>> budget.allows(), budget.allows(2), budget.part(2).calls_left
        (True, False, 0)
    """

    def __init__(self, max_calls: int | None = None, max_seconds: float | None = None) -> None:
        for name, value in (("max_calls", max_calls), ("max_seconds", max_seconds)):
            if value is not None and not value >= 0:
                raise ConfigurationError(f"{name} = {value}; it must be at least 0, or None for no limit.")
        self.max_calls, self.max_seconds = max_calls, max_seconds
        self.calls = 0
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
        return (self.calls_left is None or self.calls_left >= calls) and self.seconds_left != 0.0

    def spend(self, calls: int = 1) -> None:
        """Count calls."""
        self.calls += calls

    def part(self, parts: int, at_once: int = 1) -> Budget:
        """Return a new budget of an equal part of what is left.

        Args:
            parts: number of equal parts.
            at_once: how many of the parts are spent at the same time, which concerns the seconds alone.
        """
        calls = None if self.calls_left is None else self.calls_left // max(1, parts)
        seconds = None if self.seconds_left is None else self.seconds_left * min(1.0, at_once / max(1, parts))
        return Budget(calls, seconds)
