import pandas as pd
import pytest

from benchmarks.accuracy.sweep import resume


def scored(settings):
    return [{**setting, "val_accuracy": 10.0 * setting["seed"]} for setting in settings]


def forbidden(settings):
    raise AssertionError(f"{settings} are known already")


def test_only_what_the_file_does_not_hold_is_run(tmp_path):
    path = tmp_path / "results" / "scores.csv"
    group = [{"dataset": "youtube", "seed": seed} for seed in range(2)]
    first = resume(path, [group[:1]], scored, jobs=1)
    assert first["val_accuracy"].tolist() == [0.0]
    both = resume(path, [group], scored, jobs=1)
    assert both.sort_values("seed")["val_accuracy"].tolist() == [0.0, 10.0]
    assert resume(path, [group], forbidden, jobs=1).equals(both)
    assert len(pd.read_csv(path)) == 2


def test_what_fails_is_raised(tmp_path):
    with pytest.raises(AssertionError, match="are known already"):
        resume(tmp_path / "scores.csv", [[{"seed": 0}]], forbidden, jobs=1)
