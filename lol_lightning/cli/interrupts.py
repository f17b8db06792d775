"""Ctrl-C and SIGTERM end a command with one line on stderr and the exit code that shells expect."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Terminated", "telling_of_interrupts"]

_BACKENDS = ("pytorch_lightning", "lightning.pytorch")
_KEPT = {
    "benchmark": " No finished trial is lost: the same command goes on from there.",
    "fit": " Checkpoints that were written stay: --ckpt_path goes on from one.",
}


class Terminated(KeyboardInterrupt):
    """The process received SIGTERM; whoever tidies up after Ctrl-C does so after this, too."""


@contextmanager
def telling_of_interrupts(command: str) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM within into one line on stderr, and exit codes 130 and 143.

    Args:
        command: name of the command, for the line.
    """
    loggers = [logging.getLogger(f"{backend}.utilities.rank_zero") for backend in _BACKENDS]
    for logger in loggers:
        logger.addFilter(_is_no_interrupt)
    try:
        with _terminated():
            yield
    except (KeyboardInterrupt, SystemExit) as stop:
        interrupt = _interrupt_behind(stop)
        if interrupt is None:
            raise
        is_terminated = isinstance(interrupt, Terminated)
        _say(f"lol-lightning {command}: {'terminated' if is_terminated else 'interrupted'}.{_KEPT.get(command, '')}")
        raise SystemExit(128 + (signal.SIGTERM if is_terminated else signal.SIGINT)) from None
    finally:
        for logger in loggers:
            logger.removeFilter(_is_no_interrupt)


@contextmanager
def _terminated() -> Iterator[None]:
    """Raise ``Terminated`` where SIGTERM arrives, unless the process has a handler of its own."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    process = os.getpid()

    def terminate(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if os.getpid() != process:  # A forked worker has inherited this, and ends as it would without.
            os.kill(os.getpid(), signal.SIGTERM)
            return
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _interrupt_behind(stop: BaseException) -> KeyboardInterrupt | None:
    """Find the interrupt: Lightning tidies up after one, and then exits."""
    error: BaseException | None = stop
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error


def _is_no_interrupt(record: logging.LogRecord) -> bool:
    return "Detected KeyboardInterrupt" not in record.getMessage()


def _say(line: str) -> None:
    # Lightning is not imported for that alone: it takes seconds, in which Ctrl-C is most likely.
    loaded = sys.modules.get("lol_lightning._lightning")
    if loaded is None or getattr(loaded.rank_zero_only, "rank", 0) in (0, None):
        print(line, file=sys.stderr, flush=True)
