from dataclasses import asdict
from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch

from lol_lightning.baselines.majority import majority_vote
from lol_lightning.benchmark.trials import METHODS, compare, run_trials, sample_configurations, training_data
from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.lfs.rules import keyword_lf


def comments(seed: int) -> LoLDataModule:
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=120)
    words = np.array([["song", "lovely", "melody"], ["subscribe", "channel", "link"]])
    texts = [f"{rng.choice(words[label])} {rng.choice(words[label])} word{rng.integers(9)}" for label in labels]
    frame = pd.DataFrame({"text": texts, "label": labels})
    lfs = [
        keyword_lf("subscribe", ["subscribe"], label=1),
        keyword_lf("link", ["link"], label=1),
        keyword_lf("song", ["song"], label=0),
    ]
    parts = frame[:40], frame[40:80], frame[80:]
    return LoLDataModule(*parts, lfs=lfs, batch_size=16, progress_bar=False, seed=seed)


def test_configurations_are_shared_in_range_and_distinct():
    drawn = sample_configurations(seed=3, num_trials=20)
    assert drawn[:5] == sample_configurations(seed=3, num_trials=5)
    assert drawn != sample_configurations(seed=4, num_trials=20)
    values = pd.DataFrame([asdict(configuration) for configuration in drawn])
    assert values["lr"].between(1e-3, 3e-2).all()
    assert values["alpha"].between(1e-3, 3e-2).all()
    assert values["c"].between(1.0, 5.0).all()
    assert values["seed"].is_unique


@pytest.mark.parametrize("method", METHODS)
def test_training_data(method):
    data = comments(0)
    data.setup("fit")
    dataset = training_data(data, method, seed=0)
    assert len(dataset) == len(data.train_votes)
    if method in ("lol", "lol-simple"):
        np.testing.assert_array_equal(dataset.votes, data.train_votes)
        assert dataset.gradient_targets is data.gradient_targets
    else:
        assert dataset.votes.shape == (len(data.train_votes), 1, 2)
        assert dataset.gradient_targets is None
    if method == "mv":
        np.testing.assert_array_equal(dataset.votes[:, 0], majority_vote(data.train_votes, 2))


@pytest.mark.parametrize("method", METHODS)
def test_trials_learn_and_repeat(method):
    first, second = (run_trials(comments(0), method, seed=0, num_trials=2, max_epochs=20) for _ in range(2))
    assert first.test_accuracy > 0.8
    assert asdict(first) | {"seconds": 0} == asdict(second) | {"seconds": 0}


def test_best_trial_on_validation_is_chosen_and_the_test_rows_are_read_once(monkeypatch):
    reads = []
    original = LoLDataModule.test_dataloader
    monkeypatch.setattr(LoLDataModule, "test_dataloader", lambda self: reads.append(1) or original(self))
    options = {"method": "lol-simple", "seed": 0, "max_epochs": 2}
    single = run_trials(comments(0), num_trials=1, **options)
    many = run_trials(comments(0), num_trials=5, **options)
    assert len(reads) == 2
    assert many.val_accuracy > single.val_accuracy
    assert many.lr in {configuration.lr for configuration in sample_configurations(0, 5)[1:]}


def test_global_random_state_is_left_alone():
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    run_trials(comments(0), "lol", seed=0, num_trials=1, max_epochs=1)
    assert torch.equal(torch.rand(1), expected)


def test_compare_runs_every_task_in_two_processes():
    tasks = list(product((0, 1), ("mv", "lol")))
    results = list(compare(comments, tasks, num_trials=1, num_jobs=2, max_epochs=2))
    assert {(result.seed, result.method) for result in results} == set(tasks)
    alone = run_trials(comments(1), "lol", seed=1, num_trials=1, max_epochs=2)
    (same,) = (result for result in results if (result.seed, result.method) == (1, "lol"))
    assert same.test_accuracy == alone.test_accuracy


def test_bad_arguments_are_named():
    with pytest.raises(ConfigurationError, match="method 'mean' is not one of"):
        run_trials(comments(0), "mean", seed=0, num_trials=1)
    with pytest.raises(ConfigurationError, match="num_trials = 0 must be at least 1"):
        run_trials(comments(0), "lol", seed=0, num_trials=0)
