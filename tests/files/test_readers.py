"""Whatever happens to a file, its reader returns finite numbers or an error of ours that names the file.

``make fuzz`` tries more inputs, in processes whose end is seen.
"""

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import mutate
from readers import READERS, assert_finite

from lol_lightning.exceptions import LoLError

HELPERS = Path(__file__).parents[1] / "helpers"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("readers")


@pytest.mark.parametrize("name", READERS)
def test_valid_files_are_accepted(name, root):
    assert READERS[name].try_on(random.Random(0), lambda rng, content, form: content, root) == "accepted"


@pytest.mark.parametrize("name", READERS)
@given(rng=st.randoms(use_true_random=False))
@settings(
    max_examples=int(os.environ.get("FUZZ_READERS", "40")),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_damaged_files_are_refused_or_hold_finite_numbers(name, root, rng):
    assert READERS[name].try_on(rng, mutate, root) in ("accepted", "refused")


@pytest.mark.parametrize("name", READERS)
def test_files_that_are_empty_missing_or_of_another_kind_are_refused(name, root, tmp_path):
    reader = READERS[name]
    for file in reader.contents():
        for content in (b"", b"\x00" * 100, b"hello", b"PK\x03\x04", b"{" * 100_000):
            outcome = reader.try_on(random.Random(0), lambda rng, _, form, content=content: content, root, chosen=file)
            # An options file that is empty sets nothing, and classes of images may all be seen or unseen.
            may_be_empty = name == "yaml_of_options" or (
                file in ("trainclasses.txt", "testclasses.txt") and not content
            )
            assert outcome == "refused" or may_be_empty, (file, content)
    if name not in ("study", "labelers"):  # These are made where they are missing.
        with pytest.raises(LoLError, match=re.escape(str(tmp_path))):
            reader.read(tmp_path)


def test_numbers_that_are_not_finite_are_seen():
    with pytest.raises(AssertionError, match="not finite"):
        assert_finite([{"a": pytest.importorskip("torch").tensor([1.0, float("nan")])}])


@pytest.mark.slow
def test_the_tool_sees_what_ends_a_process(tmp_path):
    (tmp_path / "readers.py").write_text(
        "import os, signal\n"
        "class Reader:\n"
        "    def contents(self): return {}\n"
        "    def try_on(self, rng, mutate, root):\n"
        "        number = rng.getstate() == __import__('random').Random('toy 2').getstate()\n"
        "        if number: os.kill(os.getpid(), signal.SIGBUS)\n"
        "        return 'refused'\n"
        "READERS = {'toy': Reader()}\n"
    )
    (tmp_path / "fuzz.py").write_text((HELPERS / "fuzz.py").read_text())
    (tmp_path / "mutations.py").write_text("mutate = None\n")
    run = subprocess.run([sys.executable, str(tmp_path / "fuzz.py"), "--inputs", "5"], capture_output=True, text=True)
    assert run.returncode == 1, run.stderr
    assert "toy 2: the process ended with -7" in run.stdout
    assert run.stdout.splitlines()[-1].split() == ["toy", "5", "0", "4", "1"]
