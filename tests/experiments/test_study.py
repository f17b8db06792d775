import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from tiny_benchmark import comments, plan_of, spoiled, write_wrench

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.experiments.data import as_sets, forget, prepare
from lol_lightning.experiments.methods import METHODS
from lol_lightning.experiments.plan import METRICS
from lol_lightning.experiments.store import TrialStore
from lol_lightning.experiments.study import _StudyRows, run_study
from lol_lightning.experiments.training import quiet, trainer

MANY = {"trials": 7, "epochs": 2, "checks": 4}
NOWHERE = TrialStore(None)


@pytest.fixture
def directory(tmp_path):
    yield write_wrench(tmp_path / "toy")
    forget()


@pytest.fixture
def store(tmp_path):
    return TrialStore(tmp_path / "trials.sqlite")


def result(outcome):
    return asdict(outcome) | {"seconds": 0}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_with_as_many_trials(method, directory, store):
    plan = plan_of(directory, method, budget={"epochs": 30})
    outcome = run_study(plan, store)
    assert len(store.trials(plan.name)) == 3
    assert outcome.metrics["val_accuracy"] > 0.7
    assert outcome.metrics["test_accuracy"] > 0.6
    assert 0 < outcome.metrics["test_macro_f1"] <= 1
    assert set(outcome.hyperparameters) == set(METHODS[method].ranges)
    assert run_study(plan, store) == outcome


def test_the_metrics_of_the_test_rows_are_those_that_lightning_logs(directory):
    plan = plan_of(directory, "lol", budget={"epochs": 10})
    rows = _StudyRows(plan)
    with quiet():
        result = rows.fit(0, {"lr": 0.01})
        found = rows.test(result)
        (logged,) = trainer().test(result.model, rows.prepared.data.test_dataloader(), verbose=False)
    assert set(found) == {f"test_{name}" for name in METRICS}
    for name in ("accuracy", "macro_f1", "mcc"):
        assert found[f"test_{name}"] == pytest.approx(logged[f"test_{name}"], abs=1e-6)
    assert found["test_nll"] == pytest.approx(logged["test_loss"], abs=1e-5)
    assert 0 < found["test_ece"] < 1 < found["test_max_logit"]


@pytest.mark.parametrize("select_by", ["macro_f1", "mcc"])
def test_checks_and_trials_are_chosen_by_another_score(select_by, directory, store):
    plan = plan_of(directory, "lol", budget={"trials": 4, "epochs": 2, "checks": 4}, select_by=select_by)
    outcome = run_study(plan, store)
    trials = store.trials(plan.name)
    rows = _StudyRows(plan)
    with quiet():
        for trial in trials:
            again = rows.fit(trial.number, trial.user_attrs["hyperparameters"]).scores
            assert list(trial.intermediate_values.values()) == again
            assert (trial.value, trial.user_attrs["check"]) == (max(again), again.index(max(again)))
        by_accuracy = _StudyRows(replace(plan, select_by="accuracy")).fit(0, trials[0].user_attrs["hyperparameters"])
    assert by_accuracy.scores != list(trials[0].intermediate_values.values())
    assert outcome.trial == max(trials, key=lambda trial: (trial.value, -trial.number)).number
    assert outcome.metrics[f"val_{select_by}"] == pytest.approx(trials[outcome.trial].value, abs=1e-6)
    assert "val_accuracy" not in outcome.metrics


def test_an_outcome_that_lacks_a_metric_of_today_is_measured_again_without_new_trials(directory, store):
    plan = plan_of(directory, "lol-simple")
    outcome = run_study(plan, store)
    older = asdict(outcome)
    older["metrics"] = {name: value for name, value in outcome.metrics.items() if name != "test_nll"}
    store.set_outcome(plan.name, plan.budget.trials, older)
    ran = []
    assert result(run_study(plan, store, lambda: ran.append(1))) == result(outcome)
    assert not ran


def test_the_first_trial_has_the_defaults_and_the_others_lie_in_range(directory, store):
    plan = plan_of(directory, "lol", budget=MANY)
    run_study(plan, store)
    first, *rest = [trial.user_attrs["hyperparameters"] for trial in store.trials(plan.name)]
    prepared = prepare(plan.dataset, plan.train_rows, plan.seed)
    # Alpha and c follow the rows.
    assert first == METHODS["lol"].resolve(prepared, np.arange(len(prepared.val))).defaults
    assert None not in first.values()
    assert first["weight_decay"] == 0
    for name, (low, high) in METHODS["lol"].ranges.items():
        values = [hyperparameters[name] for hyperparameters in rest]
        assert low <= min(values) < max(values) <= high


def test_startup_trials_draw_the_same_optimizer_for_every_method(directory, store):
    drawn = []
    for method in ("lol-simple", "lol"):
        plan = plan_of(directory, method)
        run_study(plan, store)
        drawn.append([trial.user_attrs["hyperparameters"] for trial in store.trials(plan.name)])
    for name in ("lr", "weight_decay"):
        assert [trial[name] for trial in drawn[0]] == [trial[name] for trial in drawn[1]]


@pytest.mark.parametrize("finished", [2, 6])
def test_an_interrupted_study_goes_on_and_runs_no_finished_trial_again(finished, directory, store):
    plan = plan_of(directory, "lol", budget=MANY)

    def interrupt():
        if len(store.trials(plan.name)) == finished:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(plan, store, interrupt)
    started = [trial.datetime_start for trial in store.trials(plan.name)]
    assert len(started) == finished
    ran = []
    outcome = run_study(plan, store, lambda: ran.append(1))
    assert len(ran) == 7 - finished
    assert [trial.datetime_start for trial in store.trials(plan.name)[:finished]] == started
    assert result(outcome) == result(run_study(plan, NOWHERE))


def test_a_study_interrupted_before_its_test_trains_the_chosen_trial_again(directory, store, tmp_path):
    plan, whole = plan_of(directory, "lol", budget=MANY), TrialStore(tmp_path / "whole.sqlite")
    expected = run_study(plan, whole)
    for trial in whole.trials(plan.name):
        store.add(plan.name, trial)
    ran = []
    assert result(run_study(plan, store, lambda: ran.append(1))) == result(expected)
    assert not ran


def test_two_runs_at_once_are_noticed(directory, store):
    plan = plan_of(directory, "lol-simple")

    def another_run():
        if not store.trials(plan.name):
            run_study(plan, store)

    with pytest.raises(ConfigurationError, match="has 3 trials where 0 were expected: another run"):
        run_study(plan, store, another_run)


def test_more_trials_go_on_from_the_known_ones_and_fewer_ignore_the_rest(directory, store):
    three, five = (plan_of(directory, "lol-simple", budget={"trials": trials}) for trials in (3, 5))
    assert three.name == five.name
    run_study(five, store)
    assert len(store.trials(five.name)) == 5
    assert result(run_study(three, store)) == result(run_study(three, NOWHERE))


def test_choice_follows_validation_alone_and_not_the_test_labels(directory, tmp_path):
    garbage = write_wrench(tmp_path / "garbage" / "toy", change_test=spoiled)
    honest, misled = (run_study(plan_of(path, "lol", budget=MANY), NOWHERE) for path in (directory, garbage))
    assert misled.hyperparameters == honest.hyperparameters
    assert (misled.trial, misled.check) == (honest.trial, honest.check)
    assert misled.metrics["val_accuracy"] == honest.metrics["val_accuracy"]
    assert misled.metrics["test_accuracy"] < honest.metrics["test_accuracy"]


def test_best_finished_trial_on_validation_is_chosen_the_first_of_equals(directory, store):
    plan = plan_of(directory, "lol-simple", budget=MANY)
    outcome = run_study(plan, store)
    values = {t.number: t.value for t in store.trials(plan.name) if t.state.name == "COMPLETE"}
    assert outcome.metrics["val_accuracy"] == round(max(values.values()), 6)
    assert outcome.trial == min(number for number, value in values.items() if value == max(values.values()))


def test_poor_trials_are_pruned_and_count_as_trials(directory, store):
    ranges = {**METHODS["lol-simple"].ranges, "lr": (1e-6, 3e-2)}
    method = replace(METHODS["lol-simple"], ranges=ranges)
    plan = plan_of(directory, method, budget={"trials": 14, "epochs": 10, "checks": 10})
    outcome = run_study(plan, store)
    trials = store.trials(plan.name)
    assert len(trials) == 14
    assert outcome.pruned == sum(trial.state.name == "PRUNED" for trial in trials) > 0
    assert all(trial.state.name == "COMPLETE" for trial in trials[:5])
    assert min(len(trial.intermediate_values) for trial in trials) > 3


def test_test_rows_are_read_once(tmp_path):
    make = comments(tmp_path / "lfs")
    (dataset,) = as_sets({"mine": make})
    make.reads = 0
    run_study(replace(plan_of(write_wrench(tmp_path / "toy")), dataset=dataset), NOWHERE)
    assert make.reads == 1
    forget()


def test_steps_are_the_same_for_methods_that_train_on_other_rows(directory, store):
    lengths = []
    for method in ("lol-simple", "valsup"):
        plan = plan_of(directory, method, val_per_class=10, budget={"trials": 1, "checks": 50})
        run_study(plan, store)
        lengths.append(len(store.trials(plan.name)[0].intermediate_values))
    assert lengths[0] == lengths[1] > 3


def test_only_the_labeled_rows_asked_for_are_seen(directory, store):
    plan = plan_of(directory, "lol", val_per_class=4, budget={"trials": 1})
    right = 8 * run_study(plan, store).metrics["val_accuracy"]
    assert right == pytest.approx(round(right))
    supervised = run_study(replace(plan, method=METHODS["valsup"], val_per_class=5), store)
    assert supervised.metrics["val_accuracy"] in (0, 0.5, 1)


def test_random_states_are_left_alone(directory):
    torch.manual_seed(1)
    np.random.seed(1)
    expected = torch.rand(1), np.random.rand()
    torch.manual_seed(1)
    np.random.seed(1)
    run_study(plan_of(directory, budget={"trials": 1}), NOWHERE)
    assert (torch.rand(1), np.random.rand()) == expected


def test_missing_optuna_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'lol-lightning\[benchmark\]'"):
        TrialStore(None)
