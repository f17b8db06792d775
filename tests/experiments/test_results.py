import json
from dataclasses import replace

import pandas as pd
import pytest
from tiny_benchmark import plan_of, write_wrench

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.experiments.plan import Outcome
from lol_lightning.experiments.results import COLUMNS, ResultFiles, read_knowledge, read_results, results_of

OUTCOME = Outcome(
    {"test_accuracy": 0.75, "val_accuracy": 1.0}, 2.0, trial=1, check=0, pruned=0, hyperparameters={"lr": 0.1}
)


@pytest.fixture
def plans(tmp_path):
    directory = write_wrench(tmp_path / "toy")
    return {seed: plan_of(directory, "lol", seed=seed, train_rows=seed or None) for seed in (0, 9, 10)}


def files(path, epochs=3, **methods):
    return ResultFiles(path, {"epochs": epochs}, {"lol": {"c": 1}, **methods})


def test_rows_are_tidy_and_in_order(plans):
    frame = results_of((plan, OUTCOME) for plan in plans.values())
    assert frame.columns.tolist() == COLUMNS
    assert frame["seed"].tolist() == [0, 0, 9, 9, 10, 10]
    assert frame["metric"].tolist()[:2] == ["test_accuracy", "val_accuracy"]
    assert frame["train_rows"].tolist() == ["all", "all", "9", "9", "10", "10"]
    assert set(frame["trials"]) == {3}
    assert results_of([]).empty


def test_sizes_are_in_the_order_of_numbers(plans):
    same_seed = [(replace(plans[0], val_per_class=size), OUTCOME) for size in (None, 100, 20)]
    assert results_of(same_seed)["val_per_class"].tolist()[::2] == ["20", "100", "all"]


def test_files_tell_results_and_circumstances(plans, tmp_path):
    written = files(tmp_path / "deep" / "r.csv").write([(plans[9], OUTCOME)])
    pd.testing.assert_frame_equal(read_results(tmp_path / "deep" / "r.csv"), written)
    described = json.loads((tmp_path / "deep" / "r.json").read_text())
    assert {"command", "cpu", "cores", "versions", "settings", "methods", "chosen"} <= set(described)
    assert "optuna" in described["versions"]
    (chosen,) = described["chosen"]
    assert (chosen["seed"], chosen["train_rows"], chosen["trial"], chosen["lr"]) == (9, "9", 1, 0.1)
    assert not list((tmp_path / "deep").glob(".*"))


def test_a_run_adds_to_results_of_the_same_settings(plans, tmp_path):
    path = tmp_path / "r.csv"
    files(path).write([(plans[0], OUTCOME), (plans[9], OUTCOME)])
    better = Outcome({"test_accuracy": 0.875}, 1.0, 0, 0, 0, {})
    frame = files(path, mv={}).write([(plans[9], better), (plans[10], OUTCOME)])
    assert frame["value"].tolist() == [0.75, 1.0, 0.875, 0.75, 1.0]
    described = json.loads(path.with_suffix(".json").read_text())
    assert [line["seed"] for line in described["chosen"]] == [0, 9, 10]
    assert set(described["methods"]) == {"lol", "mv"}


def test_results_of_other_settings_are_not_touched(plans, tmp_path):
    path = tmp_path / "r.csv"
    files(path).write([(plans[0], OUTCOME)])
    for options in ({"epochs": 4}, {"lol": {"c": 2}}):
        with pytest.raises(ConfigurationError, match=r"r\.csv holds results of other settings"):
            files(path, **options)
    path.with_suffix(".json").unlink()
    with pytest.raises(ConfigurationError, match="Give another output, or delete it"):
        files(path)


def test_files_that_are_no_results(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv is missing\. `lol-lightning benchmark` writes one"):
        read_results(tmp_path / "none.csv")
    path = tmp_path / "r.csv"
    path.write_text("dataset,method,seed,train_rows,val_per_class,metric,value,trials\n")
    with pytest.raises(DataError, match="lacks the column 'seconds'"):
        read_results(path)
    path.write_text("dataset,method,seed,train_rows,val_per_class,metric,value,trials,seconds\n")
    with pytest.raises(DataError, match="it holds no results"):
        read_results(path)
    path.write_text("")
    with pytest.raises(DataError, match="is not a CSV of results"):
        read_results(path)
    path.write_text(",".join(COLUMNS) + "\nyoutube,lol,0,all,all,test_accuracy,nan,1,1\n")
    with pytest.raises(DataError, match=r"r\.csv is not a CSV of results: the column 'value' holds a number that"):
        read_results(path)
    with pytest.raises(ConfigurationError, match=r"must not end in \.json"):
        files(tmp_path / "r.json")


def test_files_from_before_trials_could_be_chosen_by_another_score_go_on(plans, tmp_path):
    path = tmp_path / "r.csv"
    files(path).write([(plans[0], OUTCOME)])
    with pytest.raises(ConfigurationError, match="holds results of other settings"):
        ResultFiles(path, {"epochs": 3, "select_by": "mcc"}, {})
    frame = ResultFiles(path, {"epochs": 3, "select_by": "accuracy"}, {}).write([(plans[9], OUTCOME)])
    assert set(frame["seed"]) == {0, 9}


def test_what_methods_know_is_kept_of_all_that_were_run(plans, tmp_path):
    path = tmp_path / "r.csv"
    assert read_knowledge(path) == {}
    files(path).write([(plans[0], OUTCOME)])
    assert read_knowledge(path) == {}
    for method, words in {"lol": "votes, words", "mv": "votes"}.items():
        ResultFiles(path, {"epochs": 3}, {}, {method: words}).write([(plans[0], OUTCOME)])
    assert read_knowledge(path) == {"lol": "votes, words", "mv": "votes"}
    path.with_suffix(".json").write_text('{"knows": {"lol": 3}}')
    with pytest.raises(DataError, match=r"r\.json is not the JSON beside a CSV of results: knows has 3"):
        read_knowledge(path)


def test_only_what_has_no_bound_may_be_infinite(tmp_path):
    path = tmp_path / "r.csv"
    line = "youtube,lol,0,all,all,{},{},1,1\n"
    path.write_text(",".join(COLUMNS) + "\n" + line.format("test_nll", "inf") + line.format("test_ece", "1"))
    assert read_results(path)["value"].tolist() == [1.0, float("inf")]
    for metric, value in (("test_accuracy", "inf"), ("test_nll", "nan"), ("test_nll", "-inf")):
        path.write_text(",".join(COLUMNS) + "\n" + line.format(metric, value))
        with pytest.raises(DataError, match="the column 'value' holds a number that is missing or not finite"):
            read_results(path)


def test_a_directory_that_cannot_be_made_is_noticed_before_anything_is_run(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file/r\.csv cannot be written"):
        files(tmp_path / "file" / "r.csv")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("youtube,,0,all,all,test_accuracy,1,1,1", "the column 'method' is empty in row 0"),
        ("youtube,lol,0.5,all,all,test_accuracy,1,1,1", "the column 'seed' holds something else than whole numbers"),
        ("youtube,lol,0,all,all,test_accuracy,1,,1", "the column 'trials' holds something else than whole numbers"),
        ("youtube,lol,0,all,all,test_accuracy,,1,1", "could not convert string to float"),
        ("youtube,lol,0,all,some,test_accuracy,1,1,1", "Unable to parse string"),
    ],
)
def test_cells_that_do_not_fit_are_named(tmp_path, line, message):
    path = tmp_path / "r.csv"
    path.write_text(",".join(COLUMNS) + "\n" + line + "\n")
    with pytest.raises(DataError, match=rf"r\.csv is not a CSV of results: {message}"):
        read_results(path)


def test_names_are_taken_as_they_are_written(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(",".join(COLUMNS) + "\n007,null,0,all,all,test_accuracy,1,1,1\n")
    assert read_results(path)[["dataset", "method"]].to_numpy().tolist() == [["007", "null"]]


@pytest.mark.parametrize(("name", "value"), [("method", ["lol"]), ("seed", "0"), ("train_rows", 9)])
def test_chosen_trials_of_wrong_types_are_named(plans, tmp_path, name, value):
    path = tmp_path / "r.csv"
    files(path).write([(plans[0], OUTCOME)])
    described = json.loads(path.with_suffix(".json").read_text())
    described["chosen"][0][name] = value
    path.with_suffix(".json").write_text(json.dumps(described))
    with pytest.raises(DataError, match=r"r\.json is not the JSON beside .*: the .* of chosen trials has"):
        files(path)
