from concurrent.futures import ThreadPoolExecutor

import oracles
import pytest
import torch
from torch import nn
from toy_images import small_backbone

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.vision import _labeler_targets
from lol_lightning.vision._labeler_targets import labeler_targets
from lol_lightning.vision.attribute_task import AttributeTask
from lol_lightning.vision.labelers import AttributeLabelers
from lol_lightning.vision.options import RowTargetOptions
from lol_lightning.vision.target_files import load_targets

N, M = 9, 4
PIXELS = RowTargetOptions("pixels", 20)


def task_of(columns):
    """A task of two classes in which these attributes vote; every second one speaks for the first class."""
    names = tuple(f"attribute_{i}" for i in columns.tolist())
    has = torch.stack([torch.arange(len(columns)) % 2 == 0, torch.arange(len(columns)) % 2 == 1])
    return AttributeTask(("bat", "eel"), names, columns, has)


def test_labelers_at_both_levels_agree_with_the_loop():
    labelers = AttributeLabelers(M, num_features=8).eval()
    labelers.slope.fill_(0.5)
    labelers.intercept.fill_(0.2)
    x, columns = torch.randn(N, 8), torch.tensor([2, 0])
    signs = torch.tensor([[1, -1]]).expand(N, 2)
    task = task_of(columns)
    targets = labeler_targets(labelers, task, x, signs, RowTargetOptions(top_k=3))
    oracles.check_top_targets(targets, lambda z: labelers.calibrated(z)[:, columns], x, signs, 3)

    backbone = small_backbone()
    of_images = AttributeLabelers(M, backbone, num_features=96).eval()
    images = torch.randint(255, (4, 3, 8, 8), dtype=torch.uint8)

    def as_float(part):
        return part / 255

    targets = labeler_targets(of_images, task, images, signs[:4], RowTargetOptions("pixels", 6), as_float)

    def logits_of(z):
        return of_images.calibrated(of_images.represent(z))[:, columns]

    oracles.check_top_targets(targets, logits_of, as_float(images), signs[:4], 6)


def test_labelers_in_training_mode_are_refused():
    labelers = AttributeLabelers(M, small_backbone(), num_features=96)
    with pytest.raises(ConfigurationError, match=r"'backbone.1' is in training mode: call .eval\(\)"):
        labeler_targets(labelers, task_of(torch.arange(M)), torch.zeros(1, 3, 8, 8), torch.ones(1, M), PIXELS)


def test_linear_heads_may_have_no_bias():
    labelers = AttributeLabelers(M, heads=nn.Linear(8, M, bias=False)).eval()
    labelers.slope.fill_(0.5)
    labelers.intercept.fill_(0.2)
    x, columns, signs = torch.randn(N, 8), torch.tensor([2, 0]), torch.ones(N, 2).long()
    targets = labeler_targets(labelers, task_of(columns), x, signs, RowTargetOptions(top_k=3))
    oracles.check_top_targets(targets, lambda z: labelers.calibrated(z)[:, columns], x, signs, 3)


def nonlinear_labelers(activation=nn.Tanh):
    torch.manual_seed(1)
    return AttributeLabelers(M, heads=nn.Sequential(nn.Linear(8, 6), activation(), nn.Linear(6, M))).eval()


def linear_labelers():
    torch.manual_seed(1)
    return AttributeLabelers(M, num_features=8).eval()


@pytest.fixture
def arguments():
    return {"columns": torch.arange(M), "inputs": torch.randn(N, 8), "signs": torch.ones(N, M).long(), "top_k": 3}


def targets_of(labelers, columns, inputs, signs, transform=None, cache=None, **options):
    cache = None if cache is None else str(cache)
    return labeler_targets(
        labelers, task_of(columns), inputs, signs, RowTargetOptions(cache=cache, **options), transform
    )


@pytest.mark.parametrize("make", [nonlinear_labelers, linear_labelers])
def test_targets_of_the_same_labelers_and_rows_are_used_again(arguments, tmp_path, monkeypatch, make):
    first = targets_of(make(), **arguments, cache=tmp_path)
    torch.testing.assert_close(first.demands(), targets_of(make(), **arguments).demands())
    for name in ("top_k_targets", "linear_top_k_targets"):
        monkeypatch.delattr(_labeler_targets, name)
    again = targets_of(make(), **arguments, cache=tmp_path)
    torch.testing.assert_close(again.demands(), first.demands(), rtol=0, atol=0)
    assert (again.typical_magnitude, again.num_bytes) == (first.typical_magnitude, first.num_bytes)


def with_a_head_of_its_own():
    labelers = nonlinear_labelers()
    with torch.no_grad():
        labelers.heads[2].weight[1, 1] += 1
    return labelers


def calibrated_otherwise():
    labelers = nonlinear_labelers()
    labelers.slope.fill_(2.0)
    return labelers


@pytest.mark.parametrize(
    ("make", "changes"),
    [
        (with_a_head_of_its_own, {}),
        (calibrated_otherwise, {}),
        (lambda: nonlinear_labelers(nn.Softplus), {}),
        (nonlinear_labelers, {"columns": torch.tensor([1, 0, 2, 3])}),
        (nonlinear_labelers, {"inputs": torch.ones(N, 8)}),
        (nonlinear_labelers, {"inputs": torch.ones(2, 8), "signs": torch.ones(2, M).long()}),
        (nonlinear_labelers, {"signs": -torch.ones(N, M).long()}),
        (nonlinear_labelers, {"top_k": 2}),
        (nonlinear_labelers, {"unit": "log-odds"}),
        (nonlinear_labelers, {"transform": torch.sin}),
        (nonlinear_labelers, {"agreeing_only": True}),
    ],
)
def test_targets_of_anything_else_are_computed_anew_and_replaced(arguments, tmp_path, make, changes):
    targets_of(nonlinear_labelers(), **arguments, cache=tmp_path)
    changed = {**arguments, **changes}
    expected = targets_of(make(), **changed)
    for targets in (targets_of(make(), **changed, cache=tmp_path), load_targets(tmp_path)):
        assert targets.index.equal(expected.index)
        torch.testing.assert_close(targets.demands(), expected.demands())


def test_damaged_targets_are_computed_anew(arguments, tmp_path):
    first = targets_of(nonlinear_labelers(), **arguments, cache=tmp_path)
    (tmp_path / "value.npy").write_bytes(b"")
    again = targets_of(nonlinear_labelers(), **arguments, cache=tmp_path)
    assert again.index.equal(first.index)
    torch.testing.assert_close(load_targets(tmp_path).demands(), again.demands())


@pytest.mark.parametrize("make", [nonlinear_labelers, linear_labelers])
def test_several_may_write_the_same_targets_at_once(arguments, tmp_path, make):
    labelers = make()
    expected = targets_of(labelers, **arguments).demands()

    def compute(_):
        return targets_of(labelers, **arguments, cache=tmp_path / "targets")

    with ThreadPoolExecutor(4) as pool:
        computed = list(pool.map(compute, range(12)))
    for targets in (*computed, load_targets(tmp_path / "targets")):
        torch.testing.assert_close(targets.demands(), expected)
