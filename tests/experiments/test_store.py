"""Files of studies that are none, or were changed by somebody else."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from readers import READERS

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.experiments.store import TrialStore


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.sqlite"
    path.write_bytes(READERS["study"].contents()["a.sqlite"])
    return path


def execute(path, *commands):
    with closing(sqlite3.connect(path)) as connection, connection:
        for command in commands:
            connection.execute(command)


def test_trials_and_outcomes_are_read_again(path):
    store = TrialStore(path)
    assert [trial.value for trial in store.trials("study")] == [0.5, 1.5]
    assert store.outcomes(2)["study"]["hyperparameters"] == {"lr": 0.1}
    assert store.outcome("study", 3) is None
    with pytest.raises(ConfigurationError, match="has 2 trials where 0 were expected"):
        store.add("study", store.trials("study")[0])
    store.close()
    assert store.trials("study") == []


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000, b"SQLite format 3\x00" + bytes(5000)])
def test_a_file_that_is_no_study_is_refused_and_stays(tmp_path, content):
    path = tmp_path / "a.sqlite"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.sqlite is not a usable file of studies: .*Give another storage or output"):
        TrialStore(path)
    assert path.read_bytes() == content
    with pytest.raises(DataError, match="is a directory"):
        TrialStore(tmp_path)


def test_a_database_of_another_program_is_refused_and_stays(tmp_path):
    path = tmp_path / "a.sqlite"
    execute(path, "CREATE TABLE songs (name TEXT)")
    content = path.read_bytes()
    with pytest.raises(DataError, match="it lacks the table 'studies' and holds songs"):
        TrialStore(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("UPDATE trial_user_attributes SET value_json = 'NaN' WHERE key = 'seconds'", "trial 0.* nan|not finite"),
        ("UPDATE trial_user_attributes SET value_json = '\"a\"' WHERE key = 'check'", "check = 'a', not int"),
        ("UPDATE trials SET state = 'RUNNING'", "the state RUNNING"),
        ("DELETE FROM trial_user_attributes WHERE key = 'check'", "trial 0 lacks 'check'"),
        ("UPDATE trial_params SET param_value = NULL", "not a usable file of studies"),
        ("DROP TABLE trial_values", "it lacks the table 'trial_values'"),
    ],
)
def test_trials_that_were_changed_are_refused(path, command, message):
    execute(path, command)
    with pytest.raises(DataError, match=rf"a\.sqlite is not a usable file of studies: .*{message}|{message}"):
        TrialStore(path).trials("study")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("'\"metrics\"', '\"other\"'", "an outcome lacks 'metrics'"),
        ("'0.5', 'NaN'", "not finite"),
        ("'\"seconds\": 1.0', '\"seconds\": null'", "seconds = None"),
    ],
)
def test_outcomes_that_were_changed_are_refused(path, change, message):
    execute(path, f"UPDATE study_user_attributes SET value_json = REPLACE(value_json, {change})")
    with pytest.raises(DataError, match=message):
        TrialStore(path).outcomes(2)


def test_a_full_disk_is_told_and_the_trials_stay(path):
    code = """
import resource, sys
from lol_lightning.experiments.store import TrialStore
store = TrialStore(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
store.set_outcome("study", 3, {"metrics": {"a": "x" * 100_000}})
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.run([sys.executable, "-c", code, path], env=environment, capture_output=True, text=True)
    assert run.returncode == 1
    assert "DataError: " in run.stderr.splitlines()[-1], run.stderr
    assert "a.sqlite is not a usable file of studies: " in run.stderr
    assert [trial.value for trial in TrialStore(path).trials("study")] == [0.5, 1.5]
