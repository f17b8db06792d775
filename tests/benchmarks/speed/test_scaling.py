import pandas as pd
import pytest

from benchmarks.speed import scaling

BASE = {"n": 256, "V": 300, "m": 4, "K": 2, "F": 20}


def test_slopes_are_exponents():
    sizes = [10, 100, 1000]
    frame = pd.DataFrame(
        {"axis": "n", "size": sizes, "method": "lol", "ms": [3 * s**2 for s in sizes], "MB": [5.0, 5.0, 50.0]}
    )
    (line,) = scaling.slopes(frame)
    assert line["time, all"] == pytest.approx(2)
    assert line["memory above the imports, all"] == pytest.approx(0.5)
    assert line["memory above the imports, last"] == pytest.approx(1)


def test_a_point_is_measured():
    for axis in "nV":
        ms, megabytes = scaling.measure(axis, BASE, "lol", block=1)
        assert 0 < ms < 60_000
        assert megabytes >= 0


@pytest.mark.slow
def test_curves_are_written_and_compared(tmp_path):
    rows = scaling.run({"n": [128, 256], "K": [2, 3]}, BASE, tmp_path)
    assert [row["case"] for row in rows][:2] == ["lol-simple, time, n=256 / n=128", "lol-simple, memory above the imports, n=256 / n=128"]  # fmt: skip # noqa: E501
    assert len(rows) == 8
    assert len(pd.read_csv(tmp_path / "scaling.csv")) == 8
    assert (tmp_path / "scaling.png").stat().st_size > 1000
