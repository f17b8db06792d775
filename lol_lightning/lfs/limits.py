"""A time limit for single calls of labeling functions, such as a regular expression that backtracks for ever.

``re`` looks for signals while it searches, so an alarm interrupts it; but only the main thread of a process handles
signals. Elsewhere ``in_main_thread`` continues in a child process, in which the calling thread is the main one.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from numbers import Real
from types import FrameType, TracebackType
from typing import Any, TypeVar

from lol_lightning.exceptions import ConfigurationError, LabelingFunctionError, LoLError
from lol_lightning.functional.short_repr import short_repr

__all__ = ["CALL_SECONDS", "CallLimit", "CallTimeoutError", "check_call_seconds", "in_main_thread"]

CALL_SECONDS = 300.0
"""Limit of one call by default: long enough for a model that is loaded, or a service that is asked again."""

_T = TypeVar("_T")


class CallTimeoutError(LoLError):
    """A call took longer than its limit."""


class _Alarm(BaseException):
    """Raised inside of a call that takes too long; no ``except Exception`` of the user's code holds it up."""


def check_call_seconds(seconds: Any) -> None:
    """Raise ``ConfigurationError`` if a limit of seconds is not positive."""
    if seconds is not None and not (isinstance(seconds, Real) and float(seconds) > 0):
        raise ConfigurationError(f"max_call_seconds = {seconds!r}; it must be positive, or None for no limit.")


class CallLimit:
    """Runs functions, each for at most so many seconds, while it is entered.

    An alarm that somebody else has set goes off in its time.

    Args:
        seconds: the limit; ``None`` sets none. Without signals (on Windows, or outside of the main thread) there is
            none either, see ``in_main_thread``.

    Example:
        >>> with CallLimit(0.05) as limit:
        ...     limit(time.sleep, 10)
        Traceback (most recent call last):
        ...
        lol_lightning.lfs.limits.CallTimeoutError: the call took longer than 0.05 seconds
    """

    __repr__ = short_repr

    def __init__(self, seconds: float | None = CALL_SECONDS) -> None:
        check_call_seconds(seconds)
        self.seconds = seconds
        self._active = False
        self._rang = False
        self._outer: Any = None
        self._outer_rings_at: float | None = None

    def __enter__(self) -> CallLimit:
        self._active = self.seconds is not None and _handles_signals()
        if self._active:
            left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
            self._outer_rings_at = time.monotonic() + left if left else None
            self._outer = signal.signal(signal.SIGALRM, self._ring)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._active:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL if self._outer is None else self._outer)
            if self._outer_rings_at is not None:
                signal.setitimer(signal.ITIMER_REAL, max(1e-6, self._outer_rings_at - time.monotonic()))
            self._active = False

    def __call__(self, function: Callable[..., _T], *args: Any, seconds: float | None = None) -> _T:
        """Call a function.

        Args:
            function: what to call.
            *args: its arguments.
            seconds: a shorter limit for this call.

        Raises:
            CallTimeoutError: if it takes longer than the limit, also where the function itself caught the alarm.
        """
        if not self._active or self.seconds is None:
            return function(*args)
        limit = self.seconds if seconds is None else max(1e-3, min(seconds, self.seconds))
        wait = limit
        if self._outer_rings_at is not None:
            wait = min(wait, max(1e-6, self._outer_rings_at - time.monotonic()))
        self._rang = False
        try:
            try:
                # Once more every second, should the call catch the alarm and go on.
                signal.setitimer(signal.ITIMER_REAL, wait, 1.0)
                result = function(*args)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except _Alarm:
            signal.setitimer(signal.ITIMER_REAL, 0)
        except Exception:
            if not self._rang:
                raise
        if self._rang:
            raise CallTimeoutError(f"the call took longer than {limit:g} seconds") from None
        return result

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if self._outer_rings_at is not None and time.monotonic() >= self._outer_rings_at:
            self._outer_rings_at = None
            if callable(self._outer):
                self._outer(number, frame)
                return
        self._rang = True
        raise _Alarm


def in_main_thread(function: Callable[[], _T], seconds: float | None) -> _T:
    """Return what a function returns, run where ``CallLimit`` works if a limit other than the default is asked for.

    In the main thread that is here. Elsewhere it is a child process, forked from this thread: what the function
    changes in memory (caches, counters) stays there, and its result must be picklable. Where a process cannot be
    forked (Windows) it runs here, without a limit, and a warning says so.

    Raises:
        LabelingFunctionError: if the child process ended without a result, or its error cannot be pickled.
    """
    if seconds in (None, CALL_SECONDS) or _handles_signals():
        return function()
    if not hasattr(os, "fork"):
        warnings.warn(
            f"max_call_seconds = {seconds} is not kept: this system has no alarm for a call that takes too long.",
            stacklevel=3,
        )
        return function()
    return _in_child(function)


def _handles_signals() -> bool:
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


def _in_child(function: Callable[[], _T]) -> _T:
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of forks with several threads; the child only runs this function.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(reader)
        _answer(function, writer)
    os.close(writer)
    try:
        with os.fdopen(reader, "rb") as pipe:
            content = pipe.read()
    finally:
        if os.waitpid(child, os.WNOHANG)[0] == 0:
            if sys.exc_info()[0] is not None:
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    if not content:
        raise LabelingFunctionError("the child process in which labeling functions ran ended without a result.")
    succeeded, result = pickle.loads(content)
    if not succeeded:
        raise result
    return result


def _answer(function: Callable[[], Any], writer: int) -> None:
    """Write a pickled result into a pipe and end this process."""
    try:
        try:
            answer = pickle.dumps((True, function()))
        except Exception as error:
            answer = _pickled_error(error)
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(answer)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(0)


def _pickled_error(error: Exception) -> bytes:
    try:
        pickle.loads(answer := pickle.dumps((False, error)))
    except Exception:
        return pickle.dumps((False, LabelingFunctionError(f"{type(error).__name__}: {error}")))
    return answer
