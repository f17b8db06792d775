import pandas as pd
import pytest

from benchmarks.accuracy import schedule_accuracy


def test_settings_are_compared_with_the_dearest():
    lines = [
        {"rows": 0, "dataset": "youtube", "seed": seed, "every": every, "num_samples": samples,
         "val_accuracy": 80.0 + every * seed, "test_accuracy": 70.0 - every}
        for seed in range(2) for every in (1, 4) for samples in (2, 20)
    ]  # fmt: skip
    first, *_, last = schedule_accuracy.summary(pd.DataFrame(lines))
    assert (first["rows"], first["every"], first["num_samples"]) == ("all", 1, 2)
    assert first["validation - dearest"] == 0
    assert (last["validation"], last["test"]) == (82.0, 66.0)
    assert (last["validation - dearest"], last["standard error"]) == pytest.approx((1.5, 1.5))
    assert last["test - dearest"] == -3


@pytest.mark.wrench
def test_a_setting_is_scored(wrench_root):
    setting = {"dataset": "youtube", "rows": 50, "seed": 0, "every": 4, "num_samples": 2}
    (line,) = schedule_accuracy.run([setting])
    assert setting.items() <= line.items()
    assert 40 < line["val_accuracy"] <= 100
