"""What the measurements of speed need: interleaved clocks, peak memory, rows of results, and what they ran on."""

from __future__ import annotations

import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.output import Row
from lol_lightning.experiments.environment import command_line, environment

CLOCK = time.process_time if os.environ.get("BENCH_CLOCK") == "processor" else time.perf_counter
"""``BENCH_CLOCK=processor`` counts this process's processor time, for machines that others use, too; not for GPUs."""
COLUMNS = ("case", "ours", "other", "ratio", "unit")


def interleaved(works: Mapping[Any, Callable[[], float | None]], rounds: int) -> dict[Any, list[float]]:
    """Seconds of each work in each round: A B C, A B C, ... after one round that does not count.

    Whatever else the machine does then slows all of them alike, and quotients within a round stay fair. A work that
    keeps its own time returns it.
    """
    seconds: dict[Any, list[float]] = {name: [] for name in works}
    for _ in range(rounds + 1):
        for name, work in works.items():
            start = CLOCK()
            own = work()
            seconds[name].append(CLOCK() - start if own is None else own)
    return {name: times[1:] for name, times in seconds.items()}


def speedup(case: str, ours: Sequence[float], other: Sequence[float], unit: str, goal: float | None = None) -> Row:
    """Compare costs, round by round: the ratio tells how many times cheaper ours is, a goal is the least of it."""
    return _row(case, ours, other, [b / a for a, b in zip(ours, other, strict=True)], unit, ">=", goal)


def cost(case: str, ours: Sequence[float], other: Sequence[float], unit: str, goal: float | None = None) -> Row:
    """Compare costs, round by round: the ratio tells how many times dearer ours is, a goal is the most of it."""
    return _row(case, ours, other, [a / b for a, b in zip(ours, other, strict=True)], unit, "<=", goal)


def _row(
    case: str,
    ours: Sequence[float],
    other: Sequence[float],
    ratios: Sequence[float],
    unit: str,
    sign: str,
    goal: float | None,
) -> Row:
    case = case if goal is None else f"{case} [goal {sign} {goal:g}]"
    return {"case": case, "ours": median(ours), "other": median(other), "ratio": median(ratios), "unit": unit}


def milliseconds(seconds: Iterable[float], parts: int = 1) -> list[float]:
    """Milliseconds of one of ``parts`` equal parts, such as the steps of an epoch."""
    return [1000 * value / parts for value in seconds]


def peak_megabytes() -> float:
    """Peak resident memory of this process in MB.

    Linux hands ``ru_maxrss`` on from the process that started this one, so its own count is read where there is one.
    """
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


def write_environment(path: Path, seconds: float) -> None:
    """Write beside results what they were measured with."""
    described = {
        "command": f"python benchmarks/speed/{command_line()}",
        "seconds": round(seconds),
        "clock": CLOCK.__name__,
        **environment(),
    }
    path.write_text(json.dumps(described, indent=2) + "\n")
