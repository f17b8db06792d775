"""What results were measured with: the command, the versions and the machine."""

from __future__ import annotations

import os
import platform
import re
import shlex
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

__all__ = ["PACKAGES", "command_line", "cpu_model", "environment"]

PACKAGES = ("lol-lightning", "torch", "pytorch-lightning", "snorkel", "scikit-learn", "scipy", "pandas", "numpy")
"""Those whose versions are written down."""


def environment(packages: tuple[str, ...] = PACKAGES) -> dict[str, Any]:
    """Describe the machine and the versions of ``packages``, as plain types without any directory.

    Example:
        >>> sorted(environment())
        ['cores', 'cpu', 'device', 'load', 'python', 'threads', 'versions']
    """
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": [round(value, 1) for value in os.getloadavg()],
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
    }


def command_line() -> str:
    """Return the command of this process; the program by its name alone."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def cpu_model() -> str:
    """Name of the processor."""
    info = Path("/proc/cpuinfo")
    match = re.search(r"model name\s*: (.+)", info.read_text()) if info.exists() else None
    return match[1] if match else platform.processor() or platform.machine()
