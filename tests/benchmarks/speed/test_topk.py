import torch
from torch import nn

from benchmarks.speed import topk
from lol_lightning.vision.topk import top_k_targets


def test_every_case_is_compared():
    rows = topk.run(rows=20, labelers=3, features=32, rounds=1, side=16, stem="tiny", batch_size=2, steps=1)
    cases = [row["case"] for row in rows]
    assert len(cases) == 7
    assert cases[0] == "top-20 targets, m=3, n=20, d=32, linear, closed form, loop over labelers"
    assert cases[-1].startswith("step at the pixels of a ResNet18, LoL / LoL-simple, 16 x 16")
    assert all(row["ratio"] > 0 for row in rows)


def test_the_loop_finds_the_same_targets():
    network, x = nn.Sequential(nn.Linear(30, 5), nn.Tanh(), nn.Linear(5, 4)), torch.randn(6, 30)
    signs = torch.where(torch.rand(6, 4) < 0.5, 1, -1)
    ours, loop = top_k_targets(network, x, signs, topk.K), topk.loop_over_labelers(network, x, signs, topk.K)
    assert ours.index.equal(loop.index)
    torch.testing.assert_close(ours.demands(), loop.demands(), rtol=2e-3, atol=1e-5)
