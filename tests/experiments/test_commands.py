from pathlib import Path

import pandas as pd
import pytest
import yaml
from tiny_benchmark import write_wrench

from lol_lightning.cli import main
from lol_lightning.experiments.commands import benchmark_parser, spelled
from lol_lightning.experiments.methods import METHODS, as_methods
from lol_lightning.experiments.plan import METRICS

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "experiments").glob("*.yaml"))
TINY = ["--seeds", "1", "--trials", "2", "--epochs", "2", "--jobs", "1"]


@pytest.fixture
def directory(tmp_path):
    return write_wrench(tmp_path / "toy")


def test_benchmark_writes_results_and_prints_the_table(directory, tmp_path, capsys):
    other = write_wrench(tmp_path / "other", seed=1)
    output = tmp_path / "r.csv"
    data = ["--data", str(directory), str(other)]
    main(["benchmark", *data, "--methods", "lol-simple", "lol", "--train-rows", "50", *TINY, "--output", str(output)])
    printed = capsys.readouterr().out
    assert "Test accuracy % (50 unlabeled rows" in printed
    assert "lol minus the other method" in printed
    frame = pd.read_csv(output)
    assert sorted(set(frame["dataset"])) == ["other", "toy"]
    assert set(frame["trials"]) == {2}
    main(["report", str(output), "--output", str(tmp_path / "report")])
    assert "| lol-simple |" in (tmp_path / "report" / "r.md").read_text()
    assert (tmp_path / "report" / "r.png").exists()


def test_another_score_chooses_and_is_the_one_that_tables_show(directory, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    output = tmp_path / "r.csv"
    main(["benchmark", "--data", str(directory), "--methods", "mv", "lol", *TINY, "--select-by", "macro_f1",
          "--output", str(output)])  # fmt: skip
    printed = capsys.readouterr().out
    assert "Test macro F1 % (all unlabeled rows" in printed
    assert METHODS["lol"].knows in printed
    assert "val_macro_f1" in set(pd.read_csv(output)["metric"])
    main(["report", str(output), "--metric", "ece"])
    assert "Test expected calibration error % (all" in capsys.readouterr().out
    text = (tmp_path / "r.md").read_text()
    assert "chosen on validation macro F1" in text
    assert f"| mv | {METHODS['mv'].knows} |" in text
    for name in METRICS:
        main(["report", str(output), "--metric", name])
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_info:
        main(["report", str(output), "--metric", "recall"])
    assert exit_info.value.code == 2
    assert capsys.readouterr().err.startswith("lol-lightning report: metric = 'recall'; the results have test_acc")


def test_the_score_may_stand_in_a_configuration(directory, tmp_path):
    content = {"data": [str(directory)], "methods": ["mv"], "seeds": 1, "trials": 1, "epochs": 1, "select_by": "mcc"}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(content))
    main(["benchmark", "--config", str(tmp_path / "c.yaml"), "--jobs=1", f"--output={tmp_path / 'r.csv'}"])
    assert "val_mcc" in set(pd.read_csv(tmp_path / "r.csv")["metric"])


def test_options_of_a_configuration_can_be_changed(directory, tmp_path):
    content = {"data": ["nowhere"], "methods": ["lol"], "train_rows": 40, "seeds": 1, "trials": 9, "epochs": 1}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(content))
    output = tmp_path / "r.csv"
    changed = ["--data", str(directory), "--trials", "1", "--jobs=1", "--output", str(output)]
    main(["benchmark", "--config", str(tmp_path / "c.yaml"), *changed])
    assert set(pd.read_csv(output)["trials"]) == {1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--methods", "mean"], "lol-lightning benchmark: method 'mean' is not one of "),
        (["--data", "nowhere"], "lol-lightning benchmark: there is no WRENCH directory 'nowhere'"),
        (["--train-rows", "0"], "lol-lightning benchmark: train_rows = 0 must be a number from 1 on"),
        (["--trials", "0"], "lol-lightning benchmark: trials = 0 must be at least 1"),
    ],
)
def test_bad_input_is_one_line(options, message, directory, tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["benchmark", "--data", str(directory), *TINY, "--output", str(tmp_path / "r.csv"), *options])
    error = capsys.readouterr().err
    assert exit_info.value.code == 2
    assert error.startswith(message)
    assert error.count("\n") == 1


def test_report_of_something_else_is_one_line(tmp_path, capsys):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SystemExit) as exit_info:
        main(["report", str(tmp_path / "other.csv")])
    assert exit_info.value.code == 2
    assert "lacks the column 'dataset'" in capsys.readouterr().err


def test_options_with_several_values_may_be_spelled_in_every_way():
    assert spelled(["--data=a", "--seeds", "2"]) == ["--data", '["a"]', "--seeds", "2"]
    assert spelled(["--methods", "[mv, lol]"]) == ["--methods", "[mv, lol]"]
    assert spelled(["--val-per-class", "10", "20"]) == ["--val_per_class", '["10", "20"]']
    assert spelled(["--methods", "mv", "-h"]) == ["--methods", '["mv"]', "-h"]
    assert spelled(["--whole-small-classes", "true", "-h"]) == ["--whole_small_classes", "true", "-h"]


def test_there_is_a_configuration_for_each_experiment():
    assert {path.stem for path in CONFIGS} == {
        "table1", "table2", "table3", "figure2", "untuned", "ablations", "sources"
    }  # fmt: skip


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configurations_can_be_read_and_name_their_command_and_output(path):
    text = path.read_text()
    assert f"# lol-lightning benchmark --config configs/experiments/{path.name}\n" in text
    options = benchmark_parser().parse_string(text).as_dict()
    assert options["output"] == f"benchmarks/results/{path.stem}.csv"
    assert len(options["data"]) == 6
    trials = {"untuned": 1, "figure2": 3, "table1": 10, "table3": 10}.get(path.stem, 15)
    assert (options["seeds"], options["trials"]) == (3 if path.stem == "figure2" else 5, trials)
    methods = as_methods(options["methods"], options["variants"], options["ranges"])
    assert {"lol-simple", "lol"} <= {method.name for method in methods}
