import io

import pytest
from rich.console import Console

from lol_lightning.benchmark.report import in_order, plot_results, print_results, summary, track
from lol_lightning.benchmark.trials import Result

CHOSEN = {"lr": 0.01, "weight_decay": 0.0, "alpha": 1.0, "c": 0.1}
RESULTS = [
    Result(method, seed, val_accuracy=0.9, test_accuracy=accuracy, test_macro_f1=0.5, seconds=2.0, **CHOSEN)
    for method, seed, accuracy in (("lol", 1, 0.8), ("mv", 0, 0.6), ("lol", 0, 0.9))
]


def test_order_is_that_of_methods_then_seeds():
    frame = in_order(RESULTS)
    assert frame["method"].tolist() == ["mv", "lol", "lol"]
    assert frame["seed"].tolist() == [0, 0, 1]


def test_summary_is_in_percent():
    row = summary(RESULTS).loc["lol"]
    assert row["test_mean"] == pytest.approx(85)
    assert row["test_std"] == pytest.approx(100 * 0.1 / 2**0.5)
    assert row["val_mean"] == pytest.approx(90)
    assert (row["seeds"], row["seconds"]) == (2, 4)


def test_table_shows_mean_and_deviation():
    console = Console(file=io.StringIO(), width=120)
    print_results(RESULTS, console, title="toy")
    printed = console.file.getvalue()
    assert "85.0 ± 7.1" in printed
    assert "toy" in printed


def test_track_passes_every_result_on():
    assert list(track(iter(RESULTS), len(RESULTS), "training", Console(file=io.StringIO()))) == RESULTS


def test_plot_is_a_picture(tmp_path):
    plot_results(RESULTS, tmp_path / "plot.png", "toy")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
