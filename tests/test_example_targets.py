import pytest
import torch

from lol_lightning.example_targets import ExampleTargets
from lol_lightning.exceptions import TargetsError

N, M, TOP, D = 7, 3, 2, 9


@pytest.fixture
def targets():
    index = torch.randint(D, (N, M, TOP), dtype=torch.int16)
    value = torch.randn(N, M, TOP).half()
    return ExampleTargets(index, value, D, torch.rand(N, M), "log-odds", size=0.3)


def assert_equal(a, b):
    assert (a.num_features, a.unit, a.size) == (b.num_features, b.unit, b.size)
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
    assert targets.sized().size == pytest.approx(demands[demands != 0].square().mean().sqrt().item())
    targets.value[:] = 0
    assert targets.sized().size == 1


def test_rows_keep_their_order_and_their_dtype(targets):
    some = targets.rows(torch.tensor([4, 0, 4]))
    assert len(some) == 3
    torch.testing.assert_close(some.index, targets.index[[4, 0, 4]])
    torch.testing.assert_close(some.scale, targets.scale[[4, 0, 4]])
    assert (some.index.dtype, some.value.dtype) == (torch.int16, torch.half)


def test_saved_targets_come_back_from_disk_without_being_read(targets, tmp_path):
    targets.save(tmp_path / "targets")
    again = ExampleTargets.load(tmp_path / "targets")
    assert_equal(again, targets)
    again.value[0] = 0
    assert_equal(ExampleTargets.load(tmp_path / "targets"), targets)


def test_a_directory_without_targets_is_named(tmp_path):
    with pytest.raises(TargetsError, match="nowhere does not hold saved gradient targets"):
        ExampleTargets.load(tmp_path / "nowhere")


def test_moving_keeps_everything(targets):
    assert_equal(targets.to("cpu"), targets)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"index": torch.full((N, M, TOP), D)}, rf"feature {D}, outside \[0, {D}\)"),
        ({"index": torch.full((N, M, TOP), -1)}, "feature -1"),
        ({"size": 0.0}, "size = 0.0 must be a number above 0"),
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
    with pytest.raises(TargetsError, match="are in log-odds and the model's gradient_unit is 'probability'"):
        targets.check_fits(N, M, D, "probability")
