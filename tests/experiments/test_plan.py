import hashlib
import json
from dataclasses import asdict, replace

import pytest
from tiny_benchmark import plan_of, write_wrench

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.experiments.methods import METHODS
from lol_lightning.experiments.plan import Budget


def test_a_name_for_all_that_a_trial_depends_on(tmp_path):
    plan = plan_of(write_wrench(tmp_path / "toy"))
    others = [
        replace(plan, seed=1),
        replace(plan, train_rows=40),
        replace(plan, val_per_class=5),
        replace(plan, inspect=True),
        replace(plan, select_by="macro_f1"),
        replace(plan, select_by="mcc"),
        replace(plan, method=METHODS["lol-sw"]),
        replace(plan, budget=replace(plan.budget, max_steps=9)),
        replace(plan, dataset=replace(plan.dataset, fingerprint="other")),
        replace(plan, method=replace(plan.method, options={**plan.method.options, "penalty": {"hinge": "linear"}})),
    ]
    assert len({other.name for other in others} | {plan.name}) == len(others) + 1


def test_studies_from_before_there_was_a_choice_keep_their_names(tmp_path):
    plan = plan_of(write_wrench(tmp_path / "toy"), "mv")
    budget = {name: value for name, value in asdict(plan.budget).items() if name != "trials"}
    parts = [plan.dataset.fingerprint, plan.method.settings(), budget, False, False, None]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    assert plan.name == f"toy, mv, seed 0, all rows, all a class ({digest[:12]})"


def test_budget():
    assert Budget().batch_size_of(1000) == 32
    assert Budget().batch_size_of(1001) == 128
    assert Budget(batch_size=7).batch_size_of(10) == 7
    assert Budget().check_steps(100) == list(range(20, 201, 20))
    assert Budget().check_steps(20_000)[-1] == 1500
    with pytest.raises(ConfigurationError, match="trials = 0 must be at least 1"):
        Budget(trials=0)
