import json

import pandas as pd

from benchmarks.speed import bench
from benchmarks.speed.timing import COLUMNS, cost, speedup


def test_all_sections_end_up_in_one_file(tmp_path, monkeypatch):
    sections = {
        "Steps": lambda: [cost("LoL / LoL-simple", [1.2], [1.0], "ms", 1.5)],
        "Epochs": lambda: [speedup("epoch", [1.0], [9.0], "ms", 4)],
    }
    monkeypatch.setattr(bench, "SECTIONS", sections)
    bench.bench(output=str(tmp_path))
    written = pd.read_csv(tmp_path / "speed.csv")
    assert tuple(written.columns) == COLUMNS
    assert written["ratio"].tolist() == [1.2, 9.0]
    assert json.loads((tmp_path / "speed.json").read_text())["threads"] >= 1
    assert (tmp_path / "speed.png").stat().st_size > 1000


def test_one_section_can_be_run_alone(tmp_path, monkeypatch):
    sections = {name: lambda name=name: [cost(name, [1.0], [1.0], "s")] for name in ("Steps", "Epochs")}
    monkeypatch.setattr(bench, "SECTIONS", sections)
    bench.bench(only=["Epochs"], output=str(tmp_path))
    assert pd.read_csv(tmp_path / "speed.csv")["case"].tolist() == ["Epochs"]


def test_sections_that_need_data_are_left_out_without_it(tmp_path, monkeypatch):
    monkeypatch.setenv("WRENCH_ROOT", str(tmp_path / "missing"))
    monkeypatch.setattr(bench, "SECTIONS", {"Steps": lambda: [cost("a", [1.0], [1.0], "s")], "Pipelines": None})
    bench.bench(output=str(tmp_path))
    assert len(pd.read_csv(tmp_path / "speed.csv")) == 1
