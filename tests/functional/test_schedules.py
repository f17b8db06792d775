import math

import pytest

from lol_lightning.functional.schedules import SCHEDULES, lr_factor


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", [1 / 3, 2 / 3, 1.0, 0.75, 0.5, 0.25]),
        ("cosine", [1 / 3, 2 / 3, 1.0, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2]),
        ("constant", [1 / 3, 2 / 3, 1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_values(schedule, expected):
    assert [lr_factor(step, 6, 2, schedule) for step in range(6)] == pytest.approx(expected)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("num_steps", "warmup"), [(1, 0), (5, 0), (5, 5), (3, 10), (math.inf, 2)])
def test_every_step_counts(schedule, num_steps, warmup):
    if num_steps == math.inf and schedule != "constant":
        return
    factors = [lr_factor(step, num_steps, warmup, schedule) for step in range(int(min(num_steps, 20)))]
    assert all(0 < factor <= 1 for factor in factors)
    assert lr_factor(1000, 100, 10, schedule) == (1.0 if schedule == "constant" else 0.0)
