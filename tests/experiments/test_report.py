import io
import sys

import pandas as pd
import pytest
from rich.console import Console

from lol_lightning.exceptions import ConfigurationError, DataError
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


def printed(frame, metric=None, knows=None, width=160):
    console = Console(file=io.StringIO(), width=width)
    print_results(frame, console, metric, knows)
    return console.file.getvalue()


def test_table_shows_means_deviations_and_tests():
    shown = printed(results())
    assert "85.0 ± 7.1" in shown
    assert "100 unlabeled rows, chosen on the validation split" in shown
    assert "+10.0 (0.500)" in shown
    assert "differ" not in shown


KNOWS = {"lol": "votes, words", "snorkel": "votes"}


def test_a_column_says_what_each_method_knows():
    lines = [line.split("│")[1:-1] for line in printed(results(), knows=KNOWS).splitlines() if "│" in line]
    assert [[cell.strip() for cell in line[:2]] for line in lines[:2]] == [
        ["snorkel", "votes"],
        ["lol", "votes, words"],
    ]


def test_nothing_is_cut_off_on_a_narrow_terminal():
    frame = results().replace({"snorkel": "a-method-of-a-long-name", "one": "a-set-of-a-long-name"})
    shown = printed(frame, knows={"lol": "votes, class shares, words"}, width=40)
    assert "…" not in shown
    assert "".join(line.split("│")[1].strip() for line in shown.splitlines() if "│" in line).count("long") == 2


def test_another_metric_is_shown_with_its_unit_and_its_best(tmp_path):
    frame = results()
    frame = pd.concat([frame, frame[frame["metric"] == "test_accuracy"].assign(metric="test_nll")])
    shown = printed(frame, "nll")
    assert "Test negative log-likelihood in nats (100 unlabeled rows" in shown
    assert "lol minus the other method, in nats" in shown
    assert "0.850 ± 0.071" in shown
    text = write_report(frame, tmp_path, "t", "nll", KNOWS)[0].read_text()
    assert "| snorkel | votes | **0.750 ± 0.071** | 0.650 ± 0.071 | **0.700** |" in text
    assert "| method | knows | one | two | mean |\n| --- | --- | ---: | ---: | ---: |" in text
    assert text.index("Test negative log-likelihood in nats, the lowest is best") < text.index("in nats of test")
    assert text.index("in nats of test") < text.index("Test accuracy %:")
    assert "chosen on validation accuracy; the best in bold" in text


def test_an_infinite_value_is_shown_and_not_drawn(tmp_path):
    frame = results(sets=["one"]).replace({"test_accuracy": "test_nll"})
    frame.loc[(frame["metric"] == "test_nll") & (frame["method"] == "lol"), "value"] = float("inf")
    report, picture = write_report(frame, tmp_path, "t", "nll")
    assert "| lol | inf ± 0.000 | 85.0 | 4 |" in report.read_text()
    assert picture.stat().st_size > 1000


def test_negative_correlations_are_drawn(tmp_path):
    frame = results().replace({"test_accuracy": "test_mcc", "val_accuracy": "val_mcc"})
    frame["value"] -= 0.75
    write_report(frame, tmp_path, "t")
    assert (tmp_path / "t.png").stat().st_size > 1000


def test_a_picture_that_cannot_be_written_leaves_the_old_one(tmp_path):
    plot_results(results(), tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").read_bytes().startswith(b"<?xml")
    with pytest.raises(ConfigurationError, match=r"plot\.tif2: the name of a picture ends in \.png"):
        plot_results(results(), tmp_path / "plot.tif2")
    with pytest.raises(DataError, match=r"nowhere/plot\.png cannot be written: there is no directory"):
        plot_results(results(), tmp_path / "nowhere" / "plot.png")
    assert [path.name for path in tmp_path.iterdir()] == ["plot.svg"]


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
