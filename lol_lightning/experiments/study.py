"""One study of a benchmark: equal trials for one method on one set and seed, the best on validation tested once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from lol_lightning._lightning import isolate_rng
from lol_lightning.data.batch import LoLBatch
from lol_lightning.data.dataset import LoLDataset
from lol_lightning.experiments.data import Prepared, prepare
from lol_lightning.experiments.labeled import labeled_rows, split_80_20
from lol_lightning.experiments.plan import Outcome, StudyPlan
from lol_lightning.experiments.store import TrialStore, import_optuna
from lol_lightning.experiments.training import Fit, evaluation_batches, fit, outputs, quiet, score_of
from lol_lightning.models.metrics import SCORES, calibration

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

__all__ = ["run_study"]

STARTUP_TRIALS = 5
"""Trials before the sampler looks at results and before any is pruned."""
WARMUP_CHECKS = 3
"""Checks of a trial before it can be pruned."""


def run_study(plan: StudyPlan, store: TrialStore, after_trial: Callable[[], None] = lambda: None) -> Outcome:
    """Run the trials of a study that are missing, choose one on the validation rows, and read the test rows once.

    Trial i draws its hyperparameters by Optuna's tree-structured Parzen estimator from a generator of (seed, i) and
    the trials before it, and its network from another one of (seed, i) that is the same for every method. Which trials
    were run by which process and when thus makes no difference. The score of a trial is the best one of its checks on
    the validation rows, by ``plan.select_by``; the first of equal checks and the first of equal trials that were not
    pruned is chosen.

    Args:
        plan: what to run.
        store: holds earlier trials, and takes new ones.
        after_trial: called before a trial is kept.

    Returns:
        The outcome, from the store where it holds one.
    """
    stored = Outcome.of(store.outcome(plan.name, plan.budget.trials))
    if stored is not None:
        return stored
    start = time.perf_counter()
    with quiet(), isolate_rng():
        rows = _StudyRows(plan)
        study = import_optuna().create_study(
            direction="maximize",
            pruner=import_optuna().pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=WARMUP_CHECKS),
        )
        study.add_trials(store.trials(plan.name)[: plan.budget.trials])
        kept: tuple[int, Fit] | None = None
        preparing = time.perf_counter() - start
        for number in range(len(study.get_trials(deepcopy=False)), plan.budget.trials):
            result = _run_trial(rows, study, number)
            after_trial()
            store.add(plan.name, study.get_trials(deepcopy=False)[number])
            if _chosen(study).number == number:
                kept = number, result
        chosen, start = _chosen(study), time.perf_counter()
        check = chosen.user_attrs["check"]
        if kept is None or kept[0] != chosen.number:
            kept = chosen.number, rows.fit(chosen.number, chosen.user_attrs["hyperparameters"], until=check)
        metrics = {**rows.test(kept[1]), f"val_{plan.select_by}": cast(float, chosen.value)}
    trials = study.get_trials(deepcopy=False)
    outcome = Outcome(
        {name: round(value, 6) for name, value in metrics.items()},
        seconds=preparing + time.perf_counter() - start + sum(trial.user_attrs["seconds"] for trial in trials),
        trial=chosen.number,
        check=check,
        pruned=sum(trial.state.name == "PRUNED" for trial in trials),
        hyperparameters=chosen.user_attrs["hyperparameters"],
        label_model=rows.method.choices,
    )
    store.set_outcome(plan.name, plan.budget.trials, asdict(outcome))
    return outcome


def _run_trial(rows: _StudyRows, study: Any, number: int) -> Fit:
    optuna, method, start = import_optuna(), rows.method, time.perf_counter()
    # A sampler of its own for each trial: its state does not depend on which trials this process has run.
    study.sampler = optuna.samplers.TPESampler(
        seed=_seed(rows.plan.seed, number, stream=0), n_startup_trials=STARTUP_TRIALS, multivariate=False
    )
    if number == 0:
        inside = {name: value for name, value in method.defaults.items() if _holds(method.ranges[name], value)}
        study.enqueue_trial(inside)
        trial = study.ask()
        drawn = {name: _draw(trial, name, method.ranges[name]) for name in inside}
        hyperparameters = {**method.defaults, **drawn}
    else:
        trial = study.ask()
        hyperparameters = {name: _draw(trial, name, limits) for name, limits in method.ranges.items()}

    def prune(check: int, score: float) -> bool:
        trial.report(score, check)
        # At its end there is nothing to save, and the median of later trials needs complete ones.
        return check + 1 < len(rows.at) and trial.should_prune()

    result = rows.fit(number, hyperparameters, on_check=prune)
    trial.set_user_attr("hyperparameters", hyperparameters)
    trial.set_user_attr("check", result.best_check)
    trial.set_user_attr("seconds", time.perf_counter() - start)
    if result.stopped:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    else:
        study.tell(trial, result.scores[result.best_check])
    return result


class _StudyRows:
    """The rows of a study, ready for its trials."""

    def __init__(self, plan: StudyPlan) -> None:
        self.plan = plan
        self.prepared: Prepared = prepare(plan.dataset, plan.train_rows, plan.seed, plan.inspect, plan.inspected_rows)
        data = self.prepared.data
        labels = data.val_labels
        chosen_on = labeled_rows(labels, plan.val_per_class, data.num_classes, plan.seed, plan.whole_small_classes)
        trained_on = np.empty(0, int)
        if plan.method.trains_on == "labels":
            trained_on, chosen_on = split_80_20(cast(np.ndarray, labels), chosen_on, plan.seed)
        self.method = plan.method.resolve(
            self.prepared, np.union1d(trained_on, chosen_on), plan.val_per_class is not None, plan.select_by, plan.seed
        )
        self.train: LoLDataset = self.method.train_data(self.prepared, trained_on, plan.seed)
        self.validation: list[LoLBatch] = evaluation_batches(self.prepared.val, chosen_on)
        # The same number of steps for every method, also for those that train on other rows, and as many rows with a
        # vote or label in each; rows without one come on top.
        num_rows = self.prepared.train.num_covered_rows
        self.at = plan.budget.check_steps(num_rows)
        self.batch_size = plan.budget.batch_size_of(num_rows, len(self.train) / self.train.num_covered_rows)

    def fit(
        self,
        number: int,
        hyperparameters: dict[str, float],
        until: int | None = None,
        on_check: Callable[[int, float], bool] = lambda check, score: False,
    ) -> Fit:
        """Train the network of a trial, to its end or to a check."""
        seed = _seed(self.plan.seed, number, stream=1)
        torch.manual_seed(seed)
        model = self.method.make_model(self.prepared, hyperparameters, seed)
        at = self.at if until is None else self.at[: until + 1]
        return fit(model, self.train, self.validation, self.batch_size, at, on_check, self.plan.select_by)

    def test(self, result: Fit) -> dict[str, float]:
        """Metrics of the best check's weights on the test rows."""
        data = self.prepared.data
        data.setup("test")
        dataset = cast(LoLDataset, data.test_dataloader().dataset)
        logits, labels = outputs(result.restore_best(), evaluation_batches(dataset, np.arange(len(dataset))))
        scores = {f"test_{name}": score_of(logits, labels, name) for name in SCORES}
        return {**scores, **{f"test_{name}": value for name, value in calibration(logits, labels).items()}}


def _chosen(study: Any) -> FrozenTrial:
    finished = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
    return max(finished, key=lambda trial: (trial.value, -trial.number))


def _draw(trial: Trial, name: str, limits: tuple[float, float]) -> float:
    return trial.suggest_float(name, *limits, log=True)


def _holds(limits: tuple[float, float], value: float) -> bool:
    return limits[0] <= value <= limits[1]


def _seed(seed: int, number: int, stream: int) -> int:
    return int(np.random.SeedSequence([seed, number, stream]).generate_state(1)[0])
