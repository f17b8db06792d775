import json

import numpy as np
import pytest
import torch

from lol_lightning.exceptions import TargetsError
from lol_lightning.functional.example_targets import ExampleTargets
from lol_lightning.vision.target_files import load_targets, save_targets

N, M, TOP, D = 7, 3, 2, 9


@pytest.fixture
def targets():
    index = torch.randint(D, (N, M, TOP), dtype=torch.int16)
    value = torch.randn(N, M, TOP).half()
    return ExampleTargets(index, value, D, torch.rand(N, M), "log-odds", typical_magnitude=0.3)


def assert_equal(a, b):
    assert (a.num_features, a.unit, a.typical_magnitude) == (b.num_features, b.unit, b.typical_magnitude)
    for name in ("index", "value", "scale"):
        torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=0, atol=0)


def test_demands_are_the_values_times_their_scale(targets):
    expected = targets.value.float() * targets.scale[:, :, None]
    torch.testing.assert_close(targets.demands(), expected)
    assert targets.demands(torch.double).dtype == torch.double
    assert targets.num_bytes == N * M * (TOP * (2 + 2) + 4)


def test_the_size_of_the_demands_is_their_root_mean_square(targets):
    targets.scale[2] = 0
    demands = targets.demands()
    assert targets.with_typical_magnitude().typical_magnitude == pytest.approx(
        demands[demands != 0].square().mean().sqrt().item()
    )
    targets.value[:] = 0
    assert targets.with_typical_magnitude().typical_magnitude == 1


def test_rows_keep_their_order_and_their_dtype(targets):
    some = targets.rows(torch.tensor([4, 0, 4]))
    assert len(some) == 3
    torch.testing.assert_close(some.index, targets.index[[4, 0, 4]])
    torch.testing.assert_close(some.scale, targets.scale[[4, 0, 4]])
    assert (some.index.dtype, some.value.dtype) == (torch.int16, torch.half)


def test_saved_targets_come_back_from_disk_without_being_read(targets, tmp_path):
    save_targets(targets, tmp_path / "targets")
    again = load_targets(tmp_path / "targets")
    assert_equal(again, targets)
    again.value[0] = 0
    assert_equal(load_targets(tmp_path / "targets"), targets)


def many_targets(seed):
    torch.manual_seed(seed)
    return ExampleTargets(torch.randint(D, (1000, M, TOP)), torch.randn(1000, M, TOP), D, torch.rand(1000, M))


def test_loading_refuses_values_that_are_not_finite_wherever_they_stand(tmp_path):
    save_targets(many_targets(0), tmp_path)
    value = np.lib.format.open_memmap(tmp_path / "value.npy", "r+")
    value[1:5] = np.nan
    value.flush()
    with pytest.raises(TargetsError, match="that is not finite"):
        load_targets(tmp_path)


def test_saving_leaves_what_others_have_mapped_as_it_was(targets, tmp_path):
    save_targets(targets, tmp_path)
    mapped = load_targets(tmp_path)
    save_targets(mapped.rows(torch.tensor([2, 0])), tmp_path)
    assert_equal(mapped, targets)
    assert_equal(load_targets(tmp_path), targets.rows(torch.tensor([2, 0])))
    save_targets(ExampleTargets(targets.index, targets.value, D), tmp_path)
    assert load_targets(tmp_path).scale is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.npy", "targets.json", "value.npy"]


def test_what_cannot_be_saved_leaves_the_directory_as_it_was(targets, tmp_path):
    save_targets(targets, tmp_path)
    broken = targets.rows(torch.arange(N))
    broken.value[0] = torch.nan
    with pytest.raises(TargetsError, match="not finite"):
        save_targets(broken, tmp_path)
    assert_equal(load_targets(tmp_path), targets)


@pytest.mark.parametrize("rows", [1, N])
def test_what_rows_share_is_written_once(targets, tmp_path, rows):
    index, value = (tensor[:1].clone().expand(rows, M, TOP) for tensor in (targets.index, targets.value))
    shared = ExampleTargets(index, value, D, targets.scale[:rows].clone())
    save_targets(shared, tmp_path)
    again = load_targets(tmp_path)
    assert_equal(again, shared)
    assert np.load(tmp_path / "index.npy").shape == (1, M, TOP)
    assert again.num_bytes == shared.num_bytes


def test_only_targets_of_the_fingerprint_are_loaded(targets, tmp_path):
    save_targets(targets, tmp_path, "ours")
    assert_equal(load_targets(tmp_path, "ours"), targets)
    assert_equal(load_targets(tmp_path), targets)
    with pytest.raises(TargetsError, match="computed from something else"):
        load_targets(tmp_path, "theirs")


def test_a_mixture_of_files_is_refused(tmp_path):
    for seed in range(2):
        save_targets(many_targets(seed), tmp_path / str(seed))
    (tmp_path / "0" / "value.npy").replace(tmp_path / "1" / "value.npy")
    with pytest.raises(TargetsError, match=r"the arrays are not those that targets.json was written for"):
        load_targets(tmp_path / "1")


@pytest.mark.parametrize("damage", ["cut", "empty", "no settings", "other settings"])
def test_damaged_targets_are_refused(targets, tmp_path, damage):
    save_targets(targets, tmp_path)
    values, settings = tmp_path / "value.npy", tmp_path / "targets.json"
    if damage in ("cut", "empty"):
        values.write_bytes(values.read_bytes()[: 140 if damage == "cut" else 0])
    elif damage == "no settings":
        settings.unlink()
    else:
        settings.write_text(json.dumps({"num_features": D}))
    with pytest.raises(TargetsError, match="is not a directory of gradient targets"):
        load_targets(tmp_path)


def test_a_directory_without_targets_is_named(tmp_path):
    with pytest.raises(TargetsError, match=r"there is no directory .*nowhere"):
        load_targets(tmp_path / "nowhere")


def test_moving_keeps_everything(targets):
    assert_equal(targets.to("cpu"), targets)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"index": torch.full((N, M, TOP), D)}, rf"feature {D}, outside \[0, {D}\)"),
        ({"index": torch.full((N, M, TOP), -1)}, "feature -1"),
        ({"typical_magnitude": 0.0}, "typical_magnitude = 0.0 must be a number above 0"),
        ({"index": torch.zeros(N, M, TOP + 1, dtype=torch.long)}, "one shape"),
        ({"index": torch.zeros(N, M, TOP)}, "integer index"),
        ({"value": torch.full((N, M, TOP), torch.nan)}, "labeler 0 has a gradient value on row 0"),
        ({"scale": torch.full((N, M), torch.inf)}, "gradient scale on row 0"),
        ({"scale": torch.ones(M)}, "scale has shape"),
    ],
)
def test_bad_targets_are_refused(targets, changes, message):
    given = {name: getattr(targets, name) for name in ("index", "value", "num_features", "scale")}
    with pytest.raises(TargetsError, match=message):
        ExampleTargets(**{**given, **changes})


def test_targets_must_fit_the_batch(targets):
    targets.check_fits(N, M, D, "log-odds")
    with pytest.raises(TargetsError, match=r"'rows': 7.* met a batch of \{'rows': 8"):
        targets.check_fits(N + 1, M, D, "log-odds")
    with pytest.raises(TargetsError, match="are in log-odds and the model's unit is 'probability'"):
        targets.check_fits(N, M, D, "probability")
