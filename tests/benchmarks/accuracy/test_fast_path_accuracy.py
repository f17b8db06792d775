import pandas as pd
import pytest
import torch
from toy import toy_batch

from benchmarks.accuracy import fast_path_accuracy
from lol_lightning.networks.sparse_mlp import SparseMLP


def test_the_plain_network_is_the_fast_one():
    network = SparseMLP(30, 3, dropout=0.5)
    batch, state = toy_batch(), torch.get_rng_state()
    plain = fast_path_accuracy.as_plain(network)
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(plain.eval()(batch.features.to_dense()), network.eval()(batch.features))


def test_differences_are_taken_seed_by_seed():
    scores = {("fast", 0): 90.0, ("plain", 0): 89.0, ("fast", 1): 80.0, ("plain", 1): 82.0}
    frame = pd.DataFrame(
        [{"dataset": "youtube", "seed": s, "path": p, "test_accuracy": value} for (p, s), value in scores.items()]
    )
    (line,) = fast_path_accuracy.summary(frame)
    assert (line.pop("set"), line.pop("seeds")) == ("youtube", 2)
    assert line == pytest.approx({"fast": 85.0, "plain": 85.5, "fast - plain": -0.5, "standard error": 1.5})


@pytest.mark.wrench
def test_both_paths_reach_the_same_accuracy(wrench_root):
    settings = [
        {"dataset": "youtube", "rows": 400, "epochs": 6, "seed": 0, "path": path} for path in fast_path_accuracy.MODELS
    ]
    fast, plain = fast_path_accuracy.run(settings)
    assert fast["path"] == "fast"
    assert fast["val_accuracy"] > 70
    assert abs(fast["val_accuracy"] - plain["val_accuracy"]) < 5
