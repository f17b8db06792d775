"""Ctrl-C and SIGTERM in real processes: one line, the exit code of the signal, whole files."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lol_lightning._files.checkpoints import read_checkpoint
from lol_lightning.cli.interrupts import Terminated, telling_of_interrupts
from lol_lightning.experiments.results import read_results

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
BOTH = pytest.mark.parametrize(("number", "code", "word"), [(2, 130, "interrupted"), (15, 143, "terminated")])


def start(*arguments, cwd):
    command = [sys.executable, "-W", "ignore", "-m", "lol_lightning", *map(str, arguments)]
    return subprocess.Popen(
        command, env=ENVIRONMENT, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def signalled(process, number, until):
    """Send a signal once something is true; return stdout, stderr."""
    try:
        while not until():
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(number)
        return process.communicate()
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@BOTH
def test_a_fit_leaves_a_whole_checkpoint(config, tmp_path, number, code, word):
    best = tmp_path / "run" / "best.ckpt"
    process = start("fit", "--config", config, "--trainer.max_epochs", "100000", cwd=tmp_path)
    _, err = signalled(process, number, best.exists)
    assert process.returncode == code
    lines = [line for line in err.splitlines() if word in line.lower() or "Interrupt" in line or "Traceback" in line]
    assert lines == [f"lol-lightning fit: {word}. Checkpoints that were written stay: --ckpt_path goes on from one."]
    assert read_checkpoint(best)["epoch"] >= 0
    assert [path.name for path in best.parent.iterdir()] == ["best.ckpt"]


def benchmark(directory, output, cwd, trials=200, jobs=1):
    options = ["--methods", "lol-simple", "--trials", trials, "--epochs", 200, "--seeds", 1, "--jobs", jobs]
    return start("benchmark", "--data", directory, *options, "--output", output, cwd=cwd)


@pytest.fixture
def running(wrench_directory, tmp_path):
    """A benchmark that runs, and a function that tells whether it does."""
    output = tmp_path / "out" / "r.csv"
    process = benchmark(wrench_directory, output, tmp_path)

    def is_running():
        return output.with_suffix(".sqlite").exists() and output.with_suffix(".sqlite").stat().st_size > 0

    yield process, output, is_running
    process.kill()
    process.communicate()


@pytest.mark.slow
@BOTH
def test_a_benchmark_can_be_stopped(running, number, code, word):
    process, _, is_running = running
    _, err = signalled(process, number, is_running)
    assert process.returncode == code, err
    kept = "No finished trial is lost: the same command goes on from there."
    assert err.splitlines()[-1] == f"lol-lightning benchmark: {word}. {kept}"
    assert "Traceback" not in err


@pytest.mark.slow
def test_a_second_benchmark_on_the_same_output_is_refused(running, wrench_directory, tmp_path):
    process, output, is_running = running
    while not is_running():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    second = benchmark(wrench_directory, output, tmp_path)
    _, err = second.communicate()
    assert second.returncode == 2
    line = (
        f"lol-lightning benchmark: another process is writing to {output}. Wait for that run, or give another output."
    )
    assert err.splitlines()[-1] == line
    # The lock ends with the process that was killed, and a run goes on from its trials.
    process.kill()
    process.wait()
    third = benchmark(wrench_directory, output, tmp_path, trials=1)
    _, err = third.communicate()
    assert third.returncode == 0, err
    assert len(read_results(output))


@pytest.mark.slow
def test_a_demo_can_be_stopped(tmp_path):
    process = start(
        "demo", "--rows", 20, "--trials", 100, "--jobs", 1, "--output", tmp_path / "d" / "demo", cwd=tmp_path
    )
    directory = tmp_path / "d"
    _, err = signalled(process, signal.SIGTERM, directory.exists)
    assert process.returncode == 143, err
    assert err.splitlines()[-1] == "lol-lightning demo: terminated."
    assert "Traceback" not in err
    assert not list(directory.iterdir())


class TestTellingOfInterrupts:
    @pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt, 130), (Terminated, 143)])
    def test_what_exits_after_an_interrupt_is_one(self, stop, code, capsys):
        def tidy_up_and_exit():
            try:
                raise stop
            except KeyboardInterrupt:
                sys.exit(1)

        with pytest.raises(SystemExit) as caught, telling_of_interrupts("test"):
            tidy_up_and_exit()
        assert caught.value.code == code
        assert capsys.readouterr().err.count("\n") == 1

    def test_other_exits_and_handlers_of_the_process_stay(self):
        with pytest.raises(SystemExit) as caught, telling_of_interrupts("test"):
            sys.exit(3)
        assert caught.value.code == 3
        before = signal.signal(signal.SIGTERM, handler := lambda number, frame: None)
        try:
            with telling_of_interrupts("test"):
                assert signal.getsignal(signal.SIGTERM) is handler
        finally:
            signal.signal(signal.SIGTERM, before)
        with telling_of_interrupts("test"):
            assert signal.getsignal(signal.SIGTERM) is not before
        assert signal.getsignal(signal.SIGTERM) is before

    def test_its_filter_of_messages_goes(self):
        logger = logging.getLogger("pytorch_lightning.utilities.rank_zero")
        before = list(logger.filters)
        with telling_of_interrupts("test"):
            pass
        assert logger.filters == before
