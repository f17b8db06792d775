import numpy as np
import pandas as pd
import pytest

from benchmarks.accuracy.no_harm import run, thinned


def test_the_second_class_is_thinned_to_a_share():
    frame = pd.DataFrame({"text": ["a"] * 100, "label": [0, 1] * 50})
    rare = thinned(frame, 0.1, np.random.default_rng(0))
    assert (rare.label == 0).sum() == 50
    assert (rare.label == 1).sum() == 6
    assert thinned(frame, 0, np.random.default_rng(0)) is frame


@pytest.mark.wrench
def test_both_methods_are_trained_and_tested_alike(wrench_root):
    settings = [
        {"dataset": "youtube", "share": 0, "labels": 20, "seed": 0, "steps": 60, "method": method}
        for method in ("lol-simple", "lol")
    ]
    lines = run(settings)
    assert [line["method"] for line in lines] == ["lol-simple", "lol"]
    assert all(line["accuracy"] > 75 for line in lines)
    assert all(0 < line["nll"] < 1 for line in lines)
    assert lines[0]["accuracy"] != lines[1]["accuracy"] or lines[0]["nll"] != lines[1]["nll"]
