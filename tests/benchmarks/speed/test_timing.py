import json
import resource
import sys

from benchmarks.speed import timing
from lol_lightning.experiments.environment import PACKAGES


def test_works_take_turns_after_a_round_that_does_not_count():
    order = []
    works = {name: lambda name=name: order.append(name) for name in "ab"}
    seconds = timing.interleaved(works, rounds=3)
    assert order == list("abababab")
    assert [len(times) for times in seconds.values()] == [3, 3]
    assert min(map(min, seconds.values())) >= 0


def test_a_work_may_keep_its_own_time():
    assert timing.interleaved({"a": lambda: 2.5}, rounds=2) == {"a": [2.5, 2.5]}


def test_ratios_are_medians_of_rounds_in_the_direction_of_the_goal():
    ours, other = [1.0, 2.0, 10.0], [3.0, 8.0, 20.0]
    assert timing.speedup("x", ours, other, "s", 4) == {
        "case": "x [goal >= 4]", "ours": 2.0, "other": 8.0, "ratio": 3.0, "unit": "s"
    }  # fmt: skip
    row = timing.cost("x", ours, other, "s")
    assert (row["case"], row["ratio"]) == ("x", 1 / 3)
    assert tuple(row) == timing.COLUMNS


def test_peak_memory_is_that_of_a_process_with_torch():
    peak = timing.peak_megabytes()
    handed_on = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    assert 100 < peak <= handed_on + 1


def test_environment_names_versions_and_no_directory(tmp_path):
    timing.write_environment(tmp_path / "environment.json", seconds=1.4)
    written = json.loads((tmp_path / "environment.json").read_text())
    assert written["seconds"] == 1
    assert set(written["versions"]) == set(PACKAGES)
    assert written["command"].startswith("python benchmarks/speed/")
