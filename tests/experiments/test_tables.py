import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel, wilcoxon

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.experiments.tables import POOLED, by_conditions, comparisons, method_order, metric_named, scores

VALUES = {
    ("one", "lol"): [0.90, 0.80, 0.85, 0.88],
    ("one", "lol-simple"): [0.88, 0.81, 0.80, 0.79],
    ("two", "lol"): [0.50, 0.52, 0.60, 0.58],
    ("two", "lol-simple"): [0.51, 0.50, 0.55, 0.52],
    ("two", "lol-other"): [0.50, 0.52, 0.60, 0.58],
}


def results(values=VALUES, **columns):
    lines = [
        {"dataset": name, "method": method, "seed": seed, "train_rows": "100", "val_per_class": "all",
         "metric": "test_accuracy", "value": value, "trials": 3, "seconds": 1.0, **columns}
        for (name, method), of_seeds in values.items() for seed, value in enumerate(of_seeds)
    ]  # fmt: skip
    return pd.DataFrame(lines)


def test_scores_are_in_percent_and_methods_in_the_papers_order():
    table = scores(results())
    assert table.mean.index.tolist() == ["lol-simple", "lol", "lol-other"]
    assert table.mean.columns.tolist() == ["one", "two"]
    assert table.mean.at["lol", "one"] == pytest.approx(85.75)
    assert table.std.at["lol", "one"] == pytest.approx(100 * np.std([0.90, 0.80, 0.85, 0.88], ddof=1))
    assert np.isnan(table.mean.at["lol-other", "one"])


def test_best_is_judged_by_what_is_shown():
    best = scores(results()).best
    assert best["one"].to_dict() == {"lol-simple": False, "lol": True, "lol-other": False}
    assert best["two"].to_dict() == {"lol-simple": False, "lol": True, "lol-other": True}


@pytest.mark.parametrize(
    ("metric", "means", "best"),
    [
        ("test_mcc", [79.0, 85.5], "lol"),
        ("test_nll", [0.79, 0.855], "lol-simple"),
        ("test_ece", [79.0, 85.5], "lol-simple"),
        ("test_max_logit", [0.79, 0.855], None),
        ("val_macro_f1", [79.0, 85.5], "lol"),
    ],
)
def test_each_metric_has_its_unit_and_its_best(metric, means, best):
    table = scores(results({("one", "lol-simple"): [0.8, 0.78], ("one", "lol"): [0.88, 0.83]}, metric=metric), metric)
    assert table.mean["one"].tolist() == pytest.approx(means)
    assert [name for name, is_best in table.best["one"].items() if is_best] == ([] if best is None else [best])


def test_differences_are_in_the_unit_of_the_metric_and_pairs_are_finite():
    values = {("one", "lol"): [0.5, 0.7, np.inf], ("one", "mv"): [0.6, 0.7, 0.9]}
    row = comparisons(results(values, metric="test_nll"), metric="test_nll").iloc[0]
    assert row["difference"] == pytest.approx(-0.05)
    assert row["pairs"] == 2


def test_metrics_by_the_names_that_users_give():
    frame = pd.concat([results(metric=metric) for metric in ("test_accuracy", "test_mcc", "val_mcc")])
    assert metric_named(frame) == metric_named(frame, "mcc") == metric_named(frame, "test_mcc") == "test_mcc"
    assert metric_named(frame, "accuracy") == "test_accuracy"
    assert metric_named(frame, "val_mcc") == "val_mcc"
    with pytest.raises(ConfigurationError, match="metric = 'nll'; the results have test_accuracy, test_mcc, val_mcc"):
        metric_named(frame, "nll")
    assert metric_named(results()) == "test_accuracy"


def test_a_single_seed_has_no_deviation():
    assert scores(results({("one", "lol"): [0.5]})).std.at["lol", "one"] == 0


def test_paired_tests_are_those_of_scipy():
    table = comparisons(results()).set_index(["method", "dataset"])
    pairs = {name: [np.array(VALUES[name, method]) for method in ("lol", "lol-simple")] for name in ("one", "two")}
    for name, (ours, other) in pairs.items():
        row = table.loc[("lol-simple", name)]
        assert row["difference"] == pytest.approx(100 * (ours - other).mean())
        assert row["p"] == pytest.approx(ttest_rel(ours, other).pvalue)
        assert row["pairs"] == 4
    ours, other = (np.round(np.concatenate(parts), 9) for parts in zip(*pairs.values(), strict=True))
    pooled = table.loc[("lol-simple", POOLED)]
    assert pooled["p"] == pytest.approx(wilcoxon(np.round(ours - other, 9)).pvalue)
    assert (pooled["difference"], pooled["pairs"]) == (pytest.approx(100 * (ours - other).mean()), 8)


def test_only_common_seeds_are_paired():
    fewer = {**VALUES, ("one", "lol-simple"): [0.88, 0.81]}
    table = comparisons(results(fewer)).set_index(["method", "dataset"])
    assert table.loc[("lol-simple", "one"), "pairs"] == 2
    assert table.loc[("lol-simple", "one"), "difference"] == pytest.approx(0.5)


def test_methods_that_never_differ():
    table = comparisons(results()).set_index(["method", "dataset"])
    assert (table.loc["lol-other", "difference"] == 0).all()
    assert (table.loc["lol-other", "p"] == 1).all()


def test_one_seed_cannot_be_tested_and_no_reference_gives_no_tests():
    one = comparisons(results({key: values[:1] for key, values in VALUES.items()}))
    assert one.loc[one["dataset"] != POOLED, "p"].isna().all()
    assert comparisons(results({("one", "mv"): [0.5, 0.6]})).empty


def test_conditions_are_told_apart():
    frame = pd.concat([results(), results(val_per_class="10"), results(train_rows="all")])
    titles = [str(conditions) for conditions, _ in by_conditions(frame)]
    assert titles == [
        "100 unlabeled rows, chosen on the validation split",
        "100 unlabeled rows, chosen on 10 rows of each class",
        "all unlabeled rows, chosen on the validation split",
    ]


def test_unknown_methods_come_last():
    assert method_order(pd.DataFrame({"method": ["zebra", "lol", "ant", "lol-simple"]})) == [
        "lol-simple", "lol", "ant", "zebra"
    ]  # fmt: skip
