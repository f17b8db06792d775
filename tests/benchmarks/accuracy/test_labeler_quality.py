import subprocess
import sys

import pandas as pd
import pytest

from benchmarks.accuracy import labeler_quality
from benchmarks.accuracy.image_sets import AWA1


def test_gains_are_over_the_base_of_each_method():
    lines = [
        {"dataset": "a", "seed": seed, "train_rows": "25", "method": method, "metric": "test_accuracy", "value": value}
        for seed in (0, 1)
        for method, value in (("lol", 0.8), ("lol-simple", 0.7), ("lol-uniform", 0.6), ("lol-simple-uniform", 0.7))
    ]
    accuracies = pd.DataFrame([{"dataset": "a", "seed": seed, "quality": 0.0, "accuracy": 61.0} for seed in (0, 1)])
    found = labeler_quality.gains(pd.DataFrame(lines), accuracies)
    assert found.groupby("method")["gain"].mean().round(6).to_dict() == {"lol": 10.0, "lol-uniform": -10.0}
    assert (found["accuracy"] == 61).all()


def test_a_panel_for_each_method(tmp_path):
    rows = [
        {"method": "lol", "train_rows": "25", "quality": q, "accuracy": 50 + 20 * q, "gain": q, "seed": seed}
        for q in (-1, 0, 1)
        for seed in (0, 1)
    ]
    labeler_quality.plot(pd.DataFrame(rows), tmp_path / "quality.png")
    assert (tmp_path / "quality.png").stat().st_size > 1000


@pytest.mark.vision
@pytest.mark.slow
def test_labelers_are_as_good_as_they_are_made(vision_root):
    low, middle, high = (
        labeler_quality.labeler_accuracy(str(vision_root), AWA1[0], quality, seed=0) for quality in (-1.0, 0.0, 1.0)
    )
    assert low < middle < high
    assert high > middle + 0.05


@pytest.mark.vision
@pytest.mark.slow
def test_the_script_runs_in_two_processes(vision_root, tmp_path):
    options = "--pairs [[seal,humpback+whale]] --qualities [0.5] --rows [25] --seeds 1 --trials 1 --cache .".split()
    command = [
        sys.executable,
        labeler_quality.__file__,
        "--root",
        str(vision_root),
        *options,
        "--output",
        "quality.csv",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert set(pd.read_csv(tmp_path / "quality.csv")["method"]) == set(labeler_quality.BASES)
