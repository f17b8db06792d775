"""Programs that tests run in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

HELPERS = Path(__file__).parent


def run_python(*arguments, fails=False, **environment):
    """Run Python with these arguments for as long as it takes, and return its stdout.

    A machine under load may need many times the usual time: what ends a program that hangs is the timeout of the test.
    """
    paths = [str(HELPERS), str(HELPERS.parents[1]), os.environ.get("PYTHONPATH", "")]
    result = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode != 0) == fails, result.stderr[-3000:]
    return result.stdout
