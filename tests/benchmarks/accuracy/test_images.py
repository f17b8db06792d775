import subprocess
import sys

import pandas as pd
import pytest
import torch

from benchmarks.accuracy import image_sets, images
from lol_lightning.experiments.methods import as_methods

SMALL = {"seeds": 1, "trials": 1, "jobs": 1}


def test_every_attribute_of_cifar10_is_seen_and_not_seen_among_the_other_classes():
    names = "airplane automobile bird cat deer dog frog horse ship truck".split()
    for pair in image_sets.CIFAR10:
        seen = [name for name in names if name not in pair]
        assert set(pair) <= set(names)
        for having in image_sets.CIFAR10_ATTRIBUTES.values():
            assert set(having.split()) <= set(names)
            assert 0 < len(set(having.split()) & set(seen)) < 8


def test_methods_are_known():
    chosen = as_methods(images.METHODS, images.VARIANTS)
    assert [method.name for method in chosen] == images.METHODS


@pytest.mark.vision
@pytest.mark.slow
def test_awa1_pairs_end_up_in_one_tidy_file(vision_root, tmp_path, monkeypatch):
    monkeypatch.setattr(images, "AWA1", images.AWA1[:1])
    output = tmp_path / "table4.csv"
    images.main(
        str(vision_root),
        sets=("awa1",),
        methods=["mv", "lol"],
        train_rows="60",
        cache=str(tmp_path),
        output=str(output),
        **SMALL,
    )
    frame = pd.read_csv(output)
    columns = ["dataset", "method", "seed", "train_rows", "val_per_class", "metric", "value", "trials", "seconds"]
    assert list(frame.columns) == columns
    assert set(frame["method"]) == {"mv", "lol"}
    assert set(frame["dataset"]) == {"awa1 seal v. humpback+whale"}
    assert frame.loc[frame["metric"] == "test_accuracy", "value"].between(0.4, 1).all()
    assert (tmp_path / "table4.md").exists()


@pytest.mark.vision
@pytest.mark.slow
def test_the_script_runs_in_two_processes(vision_root, tmp_path):
    options = "--sets [awa1] --methods [mv] --seeds 1 --trials 1 --train_rows 60 --cache . --output table4.csv".split()
    command = [sys.executable, images.__file__, "--root", str(vision_root), *options]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert pd.read_csv(tmp_path / "table4.csv")["dataset"].nunique() == 3


@pytest.mark.vision
@pytest.mark.slow
def test_a_resnet_is_trained_once_and_its_representations_are_kept(vision_root, tmp_path, monkeypatch):
    whole = image_sets.cifar10_data(vision_root, ("cat", "frog"))
    few = torch.arange(len(whole.labels)) % 50 == 0
    whole.inputs, whole.labels, whole.test = whole.inputs[few], whole.labels[few], whole.test[few]
    monkeypatch.setattr(image_sets, "cifar10_data", lambda root, pair: whole)
    steps = image_sets.train_cifar10(str(vision_root), str(tmp_path), 1, "imagenet", ("cat", "frog"))
    assert image_sets.train_cifar10(str(vision_root), str(tmp_path), 1, "imagenet", ("cat", "frog")) == steps
    data = image_sets.cifar10_pair(str(vision_root), str(tmp_path), ("cat", "frog"), seed=0, val_per_class=2)
    assert data.data.inputs.shape[1] == 512
    assert data.num_rows("test") == int(whole.test[whole.rows_of(["cat", "frog"])].sum())
