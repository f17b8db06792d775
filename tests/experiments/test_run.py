import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pandas as pd
import pytest
from rich.console import Console
from tiny_benchmark import BUDGET, comments, without_seconds, write_wrench

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.experiments.plan import METRICS, Budget
from lol_lightning.experiments.run import run_benchmark
from lol_lightning.experiments.store import TrialStore

METHODS = ["lol-simple", "lol", "valsup"]


@pytest.fixture
def directory(tmp_path):
    return write_wrench(tmp_path / "toy")


def trial_counts(path):
    store = TrialStore(path)
    return {name: len(store.trials(name)) for name in store.outcomes(1)}


def finished_trials(path):
    """Count without Optuna, which would make the tables that the other process is about to make."""
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as connection:
        try:
            return connection.execute("SELECT count(*) FROM trials").fetchone()[0]
        except sqlite3.OperationalError:
            return 0


@pytest.mark.slow
def test_two_processes_give_the_results_of_one(directory, tmp_path):
    frames = []
    for jobs in (1, 2):
        output = tmp_path / f"{jobs}.csv"
        frame = run_benchmark(
            [directory], METHODS, seeds=2, train_rows=50, jobs=jobs, output=output, budget=Budget(**BUDGET)
        )
        frames.append(without_seconds(pd.read_csv(output)))
        assert len(frame) == 2 * 3 * 7
        assert set(trial_counts(output.with_suffix(".sqlite")).values()) == {3}
    pd.testing.assert_frame_equal(*frames, check_exact=True)


def test_every_combination_is_run_with_as_many_trials(directory, tmp_path):
    shown = io.StringIO()
    options = {"budget": Budget(2, epochs=1), "output": tmp_path / "r.csv", "console": Console(file=shown)}
    frame = run_benchmark([directory], METHODS, seeds=[3], train_rows=[40, "all"], val_per_class=[5, "all"], **options)
    assert "12/12 toy, valsup, seed 3: validation " in shown.getvalue()
    combinations = frame[frame["metric"] == "test_accuracy"]
    assert len(combinations) == 3 * 2 * 2
    assert set(combinations["seed"]) == {3}
    assert set(trial_counts(tmp_path / "r.sqlite").values()) == {2}
    assert len(trial_counts(tmp_path / "r.sqlite")) == 12
    again = run_benchmark([directory], METHODS, seeds=[3], train_rows=[40, "all"], val_per_class=[5, "all"], **options)
    pd.testing.assert_frame_equal(again, frame)


def test_own_data_go_through_the_same_call(tmp_path):
    make = comments(tmp_path)
    frame = run_benchmark({"mine": make}, ["lol-simple", "lol"], seeds=1, budget=Budget(2, 10), train_rows=80)
    accuracy = frame[frame["metric"] == "test_accuracy"].set_index("method")["value"]
    assert accuracy.between(0.6, 1).all()
    assert set(frame["dataset"]) == {"mine"}
    assert not list(tmp_path.glob("*.sqlite"))


def test_trials_chosen_by_another_score_are_results_of_their_own(directory, tmp_path):
    options = {"seeds": 1, "output": tmp_path / "r.csv", "budget": Budget(**BUDGET)}
    frame = run_benchmark([directory], ["lol-simple"], select_by="mcc", **options)
    assert set(frame["metric"]) == {"val_mcc", *(f"test_{name}" for name in METRICS)}
    assert frame.loc[frame["metric"] == "val_mcc", "value"].between(-1, 1).all()
    assert json.loads((tmp_path / "r.json").read_text())["settings"]["select_by"] == "mcc"
    with pytest.raises(ConfigurationError, match="holds results of other settings"):
        run_benchmark([directory], ["lol-simple"], **options)
    with pytest.raises(ConfigurationError, match="select_by = 'f1'; use one of 'accuracy', 'macro_f1', 'mcc'"):
        run_benchmark([directory], ["lol-simple"], select_by="f1", seeds=1)


def test_variants_take_part_under_their_names(directory):
    variants = {
        "lol-probed": {"method": "lol", "sources": ["probed", "surrogate"]},
        "lol-fixed": {"method": "lol", "alpha": 0.5, "ranges": {"alpha": None, "c": None}},
    }
    frame = run_benchmark([directory], variants=variants, seeds=1, budget=Budget(**BUDGET))
    assert sorted(set(frame["method"])) == ["lol-fixed", "lol-probed"]


def test_pieces_share_a_storage_and_an_output(directory, tmp_path):
    options = {"seeds": 1, "output": tmp_path / "r.csv", "budget": Budget(**BUDGET)}
    for method in ("lol-simple", "lol"):
        run_benchmark([directory], [method], **options)
    both = pd.read_csv(tmp_path / "r.csv")
    assert set(both["method"]) == {"lol-simple", "lol"}
    shared = {**options, "output": tmp_path / "other.csv", "storage": tmp_path / "r.sqlite"}
    frame = run_benchmark([directory], ["lol-simple", "lol"], **shared)
    assert frame["seconds"].tolist() == both["seconds"].tolist()
    with pytest.raises(ConfigurationError, match="holds results of other settings"):
        run_benchmark([directory], ["lol"], **{**options, "budget": Budget(**{**BUDGET, "epochs": 4})})


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_as_an_uninterrupted_one(directory, tmp_path):
    killed, whole = tmp_path / "killed.csv", tmp_path / "whole.csv"
    budget = {"trials": 7, "epochs": 25, "checks": 3}
    options = {"seeds": 1, "budget": Budget(**budget)}
    arguments = [f"--{name}={value}" for name, value in {"seeds": 1, **budget}.items()]
    arguments += ["--data", directory, "--methods", "lol-simple", "lol", "--jobs=2", f"--output={killed}"]
    storage, deadline = killed.with_suffix(".sqlite"), time.monotonic() + 200
    with subprocess.Popen(
        [sys.executable, "-m", "lol_lightning", "benchmark", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        try:
            while finished_trials(storage) < 2:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            process.send_signal(signal.SIGKILL)
    store = TrialStore(storage)
    finished = {
        (name, trial.number): trial.datetime_start for name in store.outcomes(7) for trial in store.trials(name)
    }
    assert 2 <= len(finished) < 14
    run_benchmark([directory], ["lol-simple", "lol"], output=killed, **options)
    assert set(trial_counts(storage).values()) == {7}
    for (name, number), started in finished.items():
        assert store.trials(name)[number].datetime_start == started
    run_benchmark([directory], ["lol-simple", "lol"], output=whole, **options)
    pd.testing.assert_frame_equal(*(without_seconds(pd.read_csv(path)) for path in (killed, whole)), check_exact=True)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"methods": ["mean"]}, ConfigurationError, "method 'mean' is not one of"),
        ({"train_rows": 0}, ConfigurationError, "train_rows = 0 must be a number from 1 on, or 'all'"),
        ({"train_rows": "few"}, ConfigurationError, "train_rows = 'few' must be"),
        ({"val_per_class": -1}, ConfigurationError, "val_per_class = -1 must be"),
        ({"val_per_class": []}, ConfigurationError, "give a number or 'all'"),
        ({"val_per_class": 1000}, DataError, r"val_per_class = 1000, but class \d has \d+ validation rows"),
        ({"seeds": 0}, ConfigurationError, "seeds = 0: at least one"),
        ({"jobs": 0}, ConfigurationError, "jobs = 0 must be at least 1"),
    ],
)
def test_bad_arguments_are_named(options, error, message, directory):
    with pytest.raises(error, match=message):
        run_benchmark([directory], **{"methods": ["lol"], "seeds": 1, "budget": Budget(**BUDGET), **options})


@pytest.mark.wrench
def test_real_sets_with_every_source_of_gradients(wrench_root):
    variants = {"lol-probed": {"method": "lol", "sources": ["probed", "surrogate"]}}
    options = {"seeds": 1, "budget": Budget(1), "train_rows": 100, "val_per_class": 20, "variants": variants}
    frame = run_benchmark([wrench_root / "youtube"], ["snorkel", "lol", "lol-probed", "valsup"], **options)
    accuracy = frame[frame["metric"] == "test_accuracy"].set_index("method")["value"]
    assert len(accuracy) == 4
    assert accuracy.min() > 0.6
