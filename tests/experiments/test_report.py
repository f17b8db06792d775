import io
import sys

import pandas as pd
import pytest
from rich.console import Console

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.experiments.plots import plot_results
from lol_lightning.experiments.report import print_results, write_report

ACCURACY = {
    ("one", "lol"): [0.9, 0.8],
    ("one", "snorkel"): [0.7, 0.8],
    ("two", "lol"): [0.6, 0.6],
    ("two", "snorkel"): [0.6, 0.7],
}


def results(sets=("one", "two"), **columns):
    lines = [
        {"dataset": name, "method": method, "seed": seed, "train_rows": "100", "val_per_class": "all",
         "metric": metric, "value": value, "trials": 3, "seconds": 2.0, **columns}
        for (name, method), values in ACCURACY.items() if name in sets
        for seed, value in enumerate(values) for metric in ("test_accuracy", "val_accuracy")
    ]  # fmt: skip
    return pd.DataFrame(lines)


def printed(frame):
    console = Console(file=io.StringIO(), width=160)
    print_results(frame, console)
    return console.file.getvalue()


def test_table_shows_means_deviations_and_tests():
    shown = printed(results())
    assert "85.0 ± 7.1" in shown
    assert "100 unlabeled rows, chosen on the validation split" in shown
    assert "+10.0 (0.500)" in shown
    assert "differ" not in shown


def test_methods_that_lack_a_set():
    frame = results()
    frame = frame[(frame["dataset"] == "one") == (frame["method"] == "lol")]
    lines = [line.split("│")[1:-1] for line in printed(frame).splitlines() if "│" in line]
    assert [[cell.strip() for cell in line] for line in lines[:2]] == [
        ["snorkel", "-", "65.0 ± 7.1", "-"],
        ["lol", "85.0 ± 7.1", "-", "-"],
    ]


def test_a_single_set_shows_validation_and_seconds():
    lines = [line.split() for line in printed(results(sets=["one"])).splitlines()]
    assert any({"lol", "85.0", "7.1", "4"} <= set(line) for line in lines)


def test_unequal_trials_are_not_hidden():
    frame = results()
    frame.loc[frame["method"] == "lol", "trials"] = 6
    assert "The numbers of trials differ" in printed(frame)


def test_report_is_markdown_with_the_best_in_bold_and_a_picture(tmp_path):
    report, picture = write_report(results(), tmp_path / "out", "table")
    text = report.read_text()
    assert "| lol | **85.0 ± 7.1** | 60.0 ± 0.0 | **72.5** |" in text
    assert "| snorkel | 75.0 ± 7.1 | **65.0 ± 7.1** | 70.0 |" in text
    assert "| against | one | two | all sets |" in text
    assert "2 seeds" in text
    assert "3 trials" in text
    assert f"![table]({picture.name})" in text
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_each_number_of_unlabeled_rows_has_its_picture(tmp_path):
    frame = pd.concat([results(), results(train_rows="all")])
    names = [path.name for path in write_report(frame, tmp_path, "untuned")]
    assert names == ["untuned.md", "untuned-100-rows.png", "untuned-all-rows.png"]


def test_curves_over_the_number_of_labeled_rows(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    drawn = []
    original = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *args, **options: drawn.append(self) or original(self, *args, **options)
    )
    frame = pd.concat([results(val_per_class=size) for size in ("10", "20", "100")])
    plot_results(frame, tmp_path / "curves.png", title="toy")
    (figure,) = drawn
    assert [panel.get_title() for panel in figure.axes[:2]] == ["one", "two"]
    lol = next(line for line in figure.axes[0].containers if line.get_label() == "lol")
    assert lol.lines[0].get_ydata().tolist() == pytest.approx([85.0] * 3)
    assert lol.has_yerr
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_missing_matplotlib_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'lol-lightning\[plots\]'"):
        plot_results(results(), tmp_path / "plot.png")
