import os
import subprocess
import sys
from pathlib import Path

import pytest

from lol_lightning._files.locks import locked, locked_if_free
from lol_lightning.exceptions import DataError

HOLD = """
import sys, time
from lol_lightning._files.locks import locked
with locked(sys.argv[1], ""):
    print("held", flush=True)
    time.sleep(100)
"""


def test_another_process_is_refused_until_the_first_one_ends_or_is_killed(tmp_path):
    path = tmp_path / "deep" / "r.csv"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", HOLD, path], env=environment, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"held\n"
            message = r"^another process is writing to .*r\.csv\. Wait for it\.$"
            with pytest.raises(DataError, match=message), locked(path, "Wait for it."):
                pass
        finally:
            process.kill()
    with locked(path, "Wait for it."):
        assert not path.exists()
    with locked(path, "Wait for it."), pytest.raises(DataError, match="another process"), locked(path, ""):
        pass


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file/r\.csv cannot be written"), locked(tmp_path / "file" / "r.csv", ""):
        pass


def test_who_comes_second_is_told_and_waits_for_nothing(tmp_path):
    path = tmp_path / "a.npz"
    with locked_if_free(path) as first, locked_if_free(path) as second:
        assert (first, second) == (True, False)
    with locked_if_free(path) as again:
        assert again
