"""What a benchmark runs: studies with equal budgets, and what comes out of one."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.experiments.data import BenchmarkSet
from lol_lightning.experiments.method import Method
from lol_lightning.experiments.training import check_steps
from lol_lightning.models.metrics import Score

__all__ = ["METRICS", "UNBOUNDED", "Budget", "Metric", "Outcome", "StudyPlan"]


@dataclass(frozen=True)
class Metric:
    """What a metric is called, and how it is read.

    Args:
        title: in words.
        unit: of the values in tables, behind the title.
        points: unit of a difference.
        best: whether the highest or the lowest value is best; ``None`` where neither is.
        scale: factor from the value in the results to the one in tables.
        digits: decimals in tables.
    """

    title: str
    unit: str = " %"
    points: str = "points"
    best: Literal["highest", "lowest"] | None = "highest"
    scale: float = 100.0
    digits: int = 1


METRICS = {
    "accuracy": Metric("accuracy"),
    "macro_f1": Metric("macro F1"),
    "mcc": Metric("MCC"),
    "nll": Metric("negative log-likelihood", " in nats", "nats", best="lowest", scale=1.0, digits=3),
    "ece": Metric("expected calibration error", best="lowest"),
    "max_logit": Metric("largest difference of two logits", "", "logits", best=None, scale=1.0),
}
"""What is measured on the test rows: ``test_accuracy``, ... in results. See ``SCORES`` and ``calibration``."""
UNBOUNDED = ("test_nll", "test_max_logit")
"""Metrics that are infinite where a model's logits are not finite."""


@dataclass(frozen=True)
class Budget:
    """What every method of a benchmark may spend on a study.

    Args:
        trials: number of trials; the first one has the method's defaults.
        epochs: passes over the training rows of a trial, as long as ``max_steps`` allows.
        max_steps: most steps of a trial.
        checks: how often a trial is evaluated on the validation rows, evenly spread.
        batch_size: rows with a vote in a step; by default 32 up to 1,000 training rows and 128 above. Rows without a
            vote come on top, in proportion.

    Raises:
        ConfigurationError: if a number is below 1.
    """

    trials: int = 15
    epochs: int = 50
    max_steps: int = 1500
    checks: int = 10
    batch_size: int | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and value < 1:
                raise ConfigurationError(f"{name} = {value} must be at least 1.")

    def batch_size_of(self, num_rows: int, rows_per_covered_row: float = 1.0) -> int:
        """Rows of a step on that many training rows with a vote, and as many without one as come with them."""
        return round((self.batch_size or (32 if num_rows <= 1000 else 128)) * rows_per_covered_row)

    def check_steps(self, num_rows: int) -> list[int]:
        """Numbers of steps after which a trial on that many training rows is evaluated; the last one ends it."""
        num_steps = self.epochs * math.ceil(num_rows / self.batch_size_of(num_rows))
        return check_steps(min(num_steps, self.max_steps), self.checks)


@dataclass(frozen=True)
class StudyPlan:
    """A method on a set and seed.

    Args:
        dataset: the set.
        method: the method.
        seed: of the drawn rows, the trials' hyperparameters and networks.
        train_rows: number of unlabeled rows, ``None`` for all.
        val_per_class: labeled rows of each class, ``None`` for the whole validation split.
        budget: equal for all methods.
        whole_small_classes: see ``labeled_rows``.
        inspect: whether the LFs are inspected by every means, see ``prepare``; likewise ``inspected_rows``.
        select_by: the score of the validation rows by which checks and trials are chosen.
    """

    dataset: BenchmarkSet
    method: Method
    seed: int
    train_rows: int | None = None
    val_per_class: int | None = None
    budget: Budget = field(default_factory=Budget)
    whole_small_classes: bool = False
    inspect: bool = False
    inspected_rows: int | None = None
    select_by: Score = "accuracy"

    @property
    def key(self) -> dict[str, Any]:
        """The first columns of the results."""
        return {
            "dataset": self.dataset.name,
            "method": self.method.name,
            "seed": self.seed,
            "train_rows": "all" if self.train_rows is None else str(self.train_rows),
            "val_per_class": "all" if self.val_per_class is None else str(self.val_per_class),
        }

    @property
    def name(self) -> str:
        """Name in the store; it differs where anything does that a trial depends on."""
        budget = {name: value for name, value in asdict(self.budget).items() if name != "trials"}
        rest: list[Any] = [
            self.dataset.fingerprint,
            self.method.settings(),
            budget,
            self.whole_small_classes,
            self.inspect,
        ]
        rest.append(self.inspected_rows)
        if self.select_by != "accuracy":  # Studies from before there was a choice keep their names.
            rest.append(self.select_by)
        digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
        key = self.key
        return (
            f"{key['dataset']}, {key['method']}, seed {self.seed}, {key['train_rows']} rows, "
            f"{key['val_per_class']} a class ({digest[:12]})"
        )


@dataclass(frozen=True)
class Outcome:
    """What came out of a study.

    Args:
        metrics: of the chosen trial, see ``METRICS``.
        seconds: all trials and the test together.
        trial: number of the chosen trial, from 0.
        check: after which of its checks its weights were taken, from 0.
        pruned: number of trials that were ended early.
        hyperparameters: of the chosen trial.
        label_model: what was chosen for a label model, see ``Method.choices``.
    """

    metrics: dict[str, float]
    seconds: float
    trial: int
    check: int
    pruned: int
    hyperparameters: dict[str, float]
    label_model: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Outcome | None:
        """Read what a store holds; ``None`` where it holds none, or one that lacks a metric of today."""
        if stored is None or not {f"test_{name}" for name in METRICS} <= set(stored["metrics"]):
            return None
        return cls(**stored)
