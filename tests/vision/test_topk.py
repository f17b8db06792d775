import oracles
import pytest
import torch
from torch import nn
from toy_images import small_backbone

from lol_lightning.exceptions import TargetsError
from lol_lightning.vision import target_files
from lol_lightning.vision.target_files import load_targets
from lol_lightning.vision.topk import linear_top_k_targets, logit_gradients, top_k_targets

N, M, D, K = 9, 4, 12, 5


@pytest.fixture
def network():
    return nn.Sequential(nn.Linear(D, 7), nn.Tanh(), nn.Linear(7, M))


@pytest.fixture
def signs():
    return torch.randint(-1, 2, (N, M))


@pytest.mark.parametrize("unit", ["probability", "log-odds"])
def test_targets_match_a_loop_over_rows_and_labelers(network, signs, unit):
    x = torch.randn(N, D)
    targets = top_k_targets(network, x, signs, K, unit)
    assert (targets.index.dtype, targets.value.dtype, targets.unit) == (torch.int16, torch.half, unit)
    oracles.check_top_targets(targets, network, x, signs, K, unit)


def test_pixels_of_a_convolutional_network(signs):
    network = nn.Sequential(small_backbone(), nn.MaxPool1d(2), nn.Linear(48, M)).eval()
    images = torch.randn(N, 3, 8, 8)
    targets = top_k_targets(network, images, signs, 20)
    assert targets.num_features == 192
    oracles.check_top_targets(targets, network, images, signs, 20)


@pytest.mark.parametrize("unit", ["probability", "log-odds"])
@pytest.mark.parametrize("agreeing", [True, False])
def test_linear_labelers_in_closed_form(signs, unit, agreeing):
    layer, x = nn.Linear(D, M), torch.randn(N, D)
    similarity = torch.where(torch.rand(M, M) < 0.5, -1.0, 1.0) if agreeing else None
    closed = linear_top_k_targets(layer.weight, layer.bias, x, signs, K, unit, similarity)
    general = top_k_targets(layer, x, signs, K, unit, similarity)
    assert closed.index.equal(general.index)
    torch.testing.assert_close(closed.demands(), general.demands(), rtol=2e-3, atol=1e-6)
    assert closed.num_bytes == M * K * (2 + 2) + N * M * 4
    assert general.num_bytes == N * M * (K * (2 + 2) + 4)
    if unit == "probability" and not agreeing:
        p = torch.sigmoid(layer(x)).detach()
        expected = (signs * p * (1 - p)).unsqueeze(-1) * layer.weight.detach().gather(1, closed.index[0].long())
        torch.testing.assert_close(closed.demands(), expected, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("memory", [1, 10_000, 10**9])
def test_chunks_change_nothing(network, signs, memory):
    x = torch.randn(N, D)
    whole, chunked = (top_k_targets(network, x, signs, K, memory=size) for size in (10**9, memory))
    assert whole.index.equal(chunked.index)
    torch.testing.assert_close(whole.demands(), chunked.demands())


def test_memory_bounds_the_rows_of_a_chunk(network, signs):
    sizes = []

    def watched(x):
        sizes.append(len(x))
        return network(x)

    top_k_targets(watched, torch.randn(N, D), signs, K, memory=4 * M * D * 8 * 4)
    assert max(sizes) < N
    assert len(sizes) > 3


def test_no_loop_over_labelers():
    calls = []
    many = nn.Linear(D, 50)

    def watched(x):
        calls.append(len(x))
        return many(x)

    gradients, _ = logit_gradients(watched, torch.randn(N, D))
    assert calls == [N]
    torch.testing.assert_close(gradients, many.weight.detach().expand(N, 50, D))


def test_targets_are_written_as_they_are_computed_and_mapped_again(network, signs, tmp_path):
    x = torch.randn(N, D)
    here = top_k_targets(network, x, signs, K)
    top_k_targets(network, x, signs, K, directory=tmp_path / "targets")
    again = load_targets(tmp_path / "targets")
    assert again.index.equal(here.index)
    torch.testing.assert_close(again.demands(), here.demands())


def test_targets_that_are_in_use_are_not_overwritten(network, signs, tmp_path):
    x = torch.randn(N, D)
    first = top_k_targets(network, x, signs, K, directory=tmp_path)
    loaded, before = load_targets(tmp_path), first.demands().clone()
    top_k_targets(network, x[:3], -signs[:3], K - 1, directory=tmp_path)
    assert len(load_targets(tmp_path)) == 3
    for used in (first, loaded):
        torch.testing.assert_close(used.demands(), before, rtol=0, atol=0)


def test_targets_that_fail_leave_the_directory_as_it_was(network, signs, tmp_path):
    x = torch.randn(N, D)
    first = top_k_targets(network, x, signs, K, directory=tmp_path)
    with pytest.raises(TargetsError, match="not finite"):
        top_k_targets(network, torch.full((N, D), torch.nan), signs, K, directory=tmp_path)
    torch.testing.assert_close(load_targets(tmp_path).demands(), first.demands())
    assert len(list(tmp_path.iterdir())) == 4


def test_a_change_of_what_is_returned_does_not_reach_the_file(network, signs, tmp_path):
    targets = top_k_targets(network, torch.randn(N, D), signs, K, directory=tmp_path)
    targets.value.zero_()
    assert load_targets(tmp_path).value.any()


def test_large_targets_are_kept_in_a_file(network, signs, monkeypatch):
    x = torch.randn(N, D)
    here = top_k_targets(network, x, signs, K)
    monkeypatch.setattr(target_files, "MAP_FROM", 1)
    mapped = top_k_targets(network, x, signs, K)
    assert mapped.index.equal(here.index)
    torch.testing.assert_close(mapped.rows(torch.tensor([3])).demands(), here.demands()[3:4])


def test_entries_that_the_others_contradict_are_left_out():
    weight = torch.tensor([[1.0, 1.0, -3.0], [1.0, 2.0, 1.0], [2.0, 2.0, 1.0]])
    similarity = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, -1.0], [1.0, -1.0, 1.0]])
    targets = top_k_targets(
        lambda x: x @ weight.T, torch.zeros(1, 3), torch.ones(1, 3).long(), 3, "log-odds", similarity
    )
    full = torch.zeros(1, 3, 3).scatter(2, targets.index.long(), targets.demands())
    # The first is contradicted on the last feature, the second by the first minus the third on the other features.
    torch.testing.assert_close(
        full[0], torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [2.0, 0.0, 0.0]]), atol=0.01, rtol=0
    )


def test_transform_makes_what_is_differentiated(signs):
    layer, bytes_ = nn.Linear(D, M), torch.randint(255, (N, D), dtype=torch.uint8)
    ours = top_k_targets(layer, bytes_, signs, K, transform=lambda x: x.float() / 255)
    torch.testing.assert_close(ours.demands(), top_k_targets(layer, bytes_ / 255, signs, K).demands())


def test_the_transform_decides_how_many_features_there_are(signs):
    layer, grey = nn.Linear(3 * D, M), torch.rand(N, 1, D)

    def logits_of(x):
        return layer(x.flatten(1))

    def coloured(x):
        return x.expand(-1, 3, -1)

    targets = top_k_targets(logits_of, grey, signs, 2 * D, transform=coloured)
    assert targets.num_features == 3 * D
    oracles.check_top_targets(targets, logits_of, coloured(grey), signs, 2 * D)
    with pytest.raises(TargetsError, match=f"k = {D} entries cannot be the largest of an input of {D // 2} features"):
        top_k_targets(logits_of, grey, signs, D, transform=lambda x: x[..., ::2])


@pytest.mark.parametrize("k", [0, D + 1])
def test_k_must_fit_the_input(network, signs, k):
    for compute in (
        lambda: top_k_targets(network, torch.randn(N, D), signs, k),
        lambda: linear_top_k_targets(torch.zeros(M, D), torch.zeros(M), torch.zeros(N, D), signs, k),
    ):
        with pytest.raises(TargetsError, match=f"k = {k} entries cannot be the largest of an input of {D} features"):
            compute()


def test_signs_must_fit(network):
    with pytest.raises(TargetsError, match=r"must be \(n, m\)"):
        top_k_targets(network, torch.randn(N, D), torch.ones(N - 1, M), K)
    with pytest.raises(TargetsError, match="there are 4 labelers, but signs for 3"):
        top_k_targets(network, torch.randn(N, D), torch.ones(N, 3), K)
