import pytest

from benchmarks.accuracy import penalty_grid


@pytest.mark.wrench
def test_points_of_the_grid_are_validated_and_the_test_is_left_alone(wrench_root):
    terms = {"unit": "probability", "reduction": "sum", "factors": "votes"}
    letter = {**terms, "alpha": 1.0, "c": 0.1}
    points = [penalty_grid.NO_PENALTY, letter]
    lines = penalty_grid.run([{"dataset": "youtube", "rows": 50, "seed": 0, **point} for point in points])
    assert [line["alpha"] for line in lines] == [0.0, 1.0]
    assert all(40 < line["last"] <= line["best"] <= 100 for line in lines)
    assert not any("test" in name for name in lines[0])
