"""The paper's tables from tidy results: means and deviations over seeds, and paired tests against LoL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.experiments.methods import METHODS
from lol_lightning.experiments.plan import METRICS, Metric

__all__ = [
    "Conditions",
    "Scores",
    "by_conditions",
    "chosen_by",
    "comparisons",
    "is_best",
    "method_order",
    "metric_named",
    "reading_of",
    "scores",
]

POOLED = "all sets"
"""Name of the comparison over every set and seed at once."""


class Conditions(NamedTuple):
    """What the studies of one table share."""

    train_rows: str
    val_per_class: str

    def __str__(self) -> str:
        """Return a title."""
        rows = "all unlabeled rows" if self.train_rows == "all" else f"{self.train_rows} unlabeled rows"
        labeled = "the validation split" if self.val_per_class == "all" else f"{self.val_per_class} rows of each class"
        return f"{rows}, chosen on {labeled}"


class Scores(NamedTuple):
    """Values in the unit of a metric, methods in rows and sets in columns; NaN where there is none."""

    mean: pd.DataFrame
    std: pd.DataFrame
    """Sample standard deviation over seeds; 0 for a single seed."""
    metric: Metric

    @property
    def best(self) -> pd.DataFrame:
        """Whether a method is the best of its set, to the decimal that is shown."""
        return is_best(self.mean, self.metric)


def is_best(means: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Whether a value is the best of its column, to the decimal that is shown; none is where a metric has no best."""
    shown = means.round(metric.digits)
    if metric.best is None:
        return shown.isna() & False
    return shown.eq(shown.max() if metric.best == "highest" else shown.min())


def reading_of(metric: str) -> Metric:
    """Return how a metric of results is read: that of ``METRICS`` without the name of the rows.

    Example:
        >>> reading_of("val_mcc").title
        'MCC'
    """
    name = metric.partition("_")[2]
    return METRICS.get(name) or Metric(metric)


def chosen_by(frame: pd.DataFrame) -> str:
    """Return the metric by which the trials of results were chosen, such as "val_accuracy"."""
    return next((str(name) for name in frame["metric"] if str(name).startswith("val_")), "val_accuracy")


def metric_named(frame: pd.DataFrame, name: str | None = None) -> str:
    """Return the metric of results that a user means.

    Args:
        frame: tidy results.
        name: of the metric, on the test rows where it names no others; by default the one that trials were chosen by.

    Raises:
        ConfigurationError: if the results have no such metric.

    Example:
        >>> metric_named(pd.DataFrame({"metric": ["test_mcc", "val_accuracy"]}), "mcc")
        'test_mcc'
    """
    name = chosen_by(frame).removeprefix("val_") if name is None else name
    metrics = list(dict.fromkeys(frame["metric"]))
    for candidate in (f"test_{name}", name):
        if candidate in metrics:
            return candidate
    raise ConfigurationError(f"metric = {name!r}; the results have {', '.join(map(str, metrics))}.")


def by_conditions(frame: pd.DataFrame) -> Iterator[tuple[Conditions, pd.DataFrame]]:
    """Split results into those that one table compares."""
    for values, group in frame.groupby(["train_rows", "val_per_class"], sort=False):
        yield Conditions(*map(str, values)), group


def method_order(frame: pd.DataFrame) -> list[str]:
    """Return the methods of results, in the order of the paper's tables; variants come last, by name."""
    order = list(METHODS)
    return sorted(set(frame["method"]), key=lambda name: (order.index(name) if name in order else len(order), name))


def scores(frame: pd.DataFrame, metric: str = "test_accuracy") -> Scores:
    """Mean and standard deviation over seeds, in the unit of the metric.

    Args:
        frame: tidy results of one condition.
        metric: which one.

    Example:
        >>> line = {"dataset": "toy", "method": "lol", "metric": "test_accuracy"}
        >>> frame = pd.DataFrame([{**line, "seed": 0, "value": 0.8}, {**line, "seed": 1, "value": 0.9}])
        >>> scores(frame).mean.loc["lol", "toy"].round(1)
        np.float64(85.0)
    """
    lines = frame[frame["metric"] == metric]
    reading = reading_of(metric)
    groups = reading.scale * lines.groupby(["method", "dataset"])["value"].agg(["mean", "std"])
    order, sets = method_order(lines), list(dict.fromkeys(lines["dataset"]))
    tables = [groups[name].unstack("dataset").reindex(index=order, columns=sets) for name in ("mean", "std")]
    return Scores(tables[0], tables[1].fillna(0.0).where(tables[0].notna()), reading)


def comparisons(frame: pd.DataFrame, reference: str = "lol", metric: str = "test_accuracy") -> pd.DataFrame:
    """Test a method against each other one, on the same sets and seeds.

    Args:
        frame: tidy results of one condition.
        reference: the method that is compared.
        metric: which one.

    Returns:
        One row for each other method and set, and one over all sets where there are several: ``method``, ``dataset``,
        ``difference`` (in the unit of the metric, the reference minus the other one), ``p`` (two-sided; paired t-test
        over the seeds of a set, Wilcoxon's signed-rank test over every set and seed) and ``pairs`` (those of finite
        values). No rows without the reference. ``p`` is NaN where there are fewer than two pairs, and 1 where no pair
        differs.
    """
    lines = frame[frame["metric"] == metric]
    table = lines.pivot_table(index=["dataset", "seed"], columns="method", values="value", sort=False)
    table *= reading_of(metric).scale
    rows = []
    for method in method_order(lines) if reference in table else []:
        if method == reference:
            continue
        difference = table[reference] - table[method]
        difference = difference[np.isfinite(difference)]
        for name, of_set in difference.groupby("dataset", sort=False):
            rows.append((method, str(name), of_set.mean(), _paired_t(of_set.to_numpy()), len(of_set)))
        if difference.index.get_level_values("dataset").nunique() > 1:
            # For a single set it would be a second p-value of the same differences.
            rows.append((method, POOLED, difference.mean(), _wilcoxon(difference.to_numpy()), len(difference)))
    return pd.DataFrame(rows, columns=["method", "dataset", "difference", "p", "pairs"])


def _paired_t(differences: np.ndarray) -> float:
    from scipy.stats import ttest_1samp

    if len(differences) < 2:
        return float("nan")
    if np.ptp(differences) == 0:
        # Equal differences have no spread to test by: no difference at all, or one that every seed confirms.
        return 1.0 if differences[0] == 0 else 0.0
    return float(ttest_1samp(differences, 0.0).pvalue)


def _wilcoxon(differences: np.ndarray) -> float:
    from scipy.stats import wilcoxon

    # Values from a CSV carry rounding: what is equal to 9 decimals of a point counts as equal.
    differences = differences.round(9)
    if len(differences) < 2:
        return float("nan")
    return 1.0 if not differences.any() else float(wilcoxon(differences).pvalue)
