"""InsertionPenalty on real networks: values by hand, first derivatives only, and what it refuses."""

import pytest
import torch
from torch import nn

from lol_lightning import LoLLoss
from lol_lightning.data.batch import Insertions, LoLBatch, SparseRows
from lol_lightning.data.insertions import InsertionBank
from lol_lightning.exceptions import TargetsError
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.losses import gradient_penalty
from lol_lightning.losses import GradientPenalty, InsertionPenalty
from lol_lightning.networks import SparseMLP


def bank(pairs=12, d=5, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    without = (torch.rand(pairs, d, generator=generator) < 0.4).float()
    term = torch.arange(pairs) // 3
    feature = term % d
    with_term = without.clone()
    without[torch.arange(pairs), feature] = 0
    with_term[torch.arange(pairs), feature] = 1
    lf = torch.tensor([0, 1, 1, 2])[term]
    return InsertionBank(with_term, without, lf, lf % 2, torch.ones(pairs), term, num_lfs=4, **options)


def batch(insertions, d=5):
    return LoLBatch(torch.ones(2, d), torch.tensor([[0, 1, -1, -1], [-1, -1, 0, 1]]), insertions=insertions)


def mlp(d=5, k=2, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(d, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, k))


def test_value_by_hand():
    net, all_of_them = mlp(), bank(terms_per_step=None)
    measured = InsertionPenalty(c=0.5).measure(net, batch(all_of_them.draw(0)), step=0)
    net.eval()
    h1, h0 = net(all_of_them.with_term).softmax(-1), net(all_of_them.without_term).softmax(-1)
    k = all_of_them.cls
    rows = torch.arange(len(k))
    per_lf = torch.zeros(4)
    for term in range(4):
        own = rows[all_of_them.term == term]
        asked = torch.minimum(torch.tensor(0.5), 2 / 3 * (1 - h0[own, k[own]])).mean()
        lf = int(all_of_them.lf[own[0]])
        num_terms = {0: 1, 1: 2, 2: 1}[lf]
        per_lf[lf] += (asked - (h1 - h0)[own, k[own]].mean()).clamp(min=0) ** 2 / num_terms
    assert torch.allclose(measured.per_lf(), per_lf, atol=1e-6)
    assert measured.penalty.item() == pytest.approx(per_lf.mean().item(), abs=1e-6)


def test_the_network_is_measured_without_dropout_and_keeps_its_mode():
    net = mlp().train()
    penalties = {InsertionPenalty().measure(net, batch(bank().draw(0)), 0).penalty.item() for _ in range(3)}
    assert len(penalties) == 1
    assert net.training
    assert net[2].training


def test_draws_are_unbiased_over_a_cycle():
    # With all rows of a term in each draw, the mean over whole cycles is the penalty of all insertions.
    net, penalty = mlp(), InsertionPenalty()
    whole = penalty.measure(net, batch(bank(terms_per_step=None).draw(0)), 0).penalty
    part = bank(terms_per_step=1, rows_per_term=3)
    drawn = [penalty.measure(net, batch(part.draw(step)), 0).penalty for step in range(6)]
    assert torch.stack(drawn).mean().item() == pytest.approx(whole.item(), rel=1e-5)


@pytest.mark.parametrize("hold_factor", [True, False])
def test_only_the_held_penalty_leaves_the_output_bias_alone(hold_factor):
    net = mlp(k=3)
    InsertionPenalty(hold_factor=hold_factor).measure(net, batch(bank().draw(0)), 0).penalty.backward()
    assert (net[-1].bias.grad.abs().max() < 1e-8) == hold_factor
    assert net[0].weight.grad.abs().max() > 1e-5


def test_training_by_it_meets_the_demands():
    net, many = mlp(), bank(terms_per_step=None)
    lol = LoLLoss(InsertionPenalty(alpha=30.0, c=0.4))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    rows = batch(many.draw(0))
    rows.votes[:] = -1
    before = lol(net, rows).measurement.met()
    for step in range(150):
        terms = lol(net, batch(many.draw(step)))
        optimizer.zero_grad()
        terms.loss.backward()
        optimizer.step()
    assert before < 0.5
    assert lol(net, rows).measurement.met() == 1


def test_small_weights_agree_with_the_gradient_penalty():
    # The input gradient is the limit of the difference: a linear network of small weights.
    torch.manual_seed(0)
    net = nn.Linear(4, 2).double()
    nn.init.normal_(net.weight, std=1e-6)
    rows = torch.eye(4).double()
    targets = GradientTargets.from_entries([(0, 1, 2, 1.0)], num_lfs=1, num_classes=2, num_features=4)
    z = rows.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(net(z).softmax(-1)[:, 1].sum(), z)
    slopes = torch.stack([-gradient.mean(0)[2], gradient.mean(0)[2]])[:, None]
    expected = gradient_penalty(slopes, targets, 0.2)
    with_term, without = rows.clone(), rows.clone()
    with_term[:, 2], without[:, 2] = 1, 0
    ones = torch.ones(4)
    insertions = Insertions(
        with_term, without, torch.zeros(4).long(), ones.long(), ones.double(), ones.double() / 4, torch.zeros(4).long()
    )
    lf_votes = LoLBatch(rows, torch.tensor([[1], [1], [1], [1]]), insertions=insertions)
    measured = InsertionPenalty(c=0.2, hold_factor=False).measure(net, lf_votes, 0)
    assert measured.penalty.item() == pytest.approx(expected.item(), abs=1e-8)


def test_sum_counts_the_terms_of_an_lf():
    net, drawn = mlp(), bank(terms_per_step=None).draw(0)
    mean, total = (InsertionPenalty(reduction=r).measure(net, batch(drawn), 0).per_lf() for r in ("mean", "sum"))
    assert torch.allclose(total, mean * torch.tensor([1, 2, 1, 0]))
    drawn.num_terms = None
    with pytest.raises(TargetsError, match="num_terms"):
        InsertionPenalty(reduction="sum").measure(net, batch(drawn), 0)


def test_sparse_rows_and_dense_rows_agree():
    torch.manual_seed(0)
    net, drawn = SparseMLP(5, 2, dropout=0.0), bank(terms_per_step=None).draw(0)
    dense = InsertionPenalty().measure(net, batch(drawn), 0).penalty
    drawn.with_term, drawn.without_term = (_sparse(part) for part in (drawn.with_term, drawn.without_term))
    assert InsertionPenalty().measure(net, batch(drawn), 0).penalty.item() == pytest.approx(dense.item(), rel=1e-5)


def _sparse(rows):
    place = rows.nonzero()
    offsets = torch.cat([torch.zeros(1), (rows != 0).sum(1).cumsum(0)]).long()
    return SparseRows(place[:, 1], offsets, None, rows.shape[1])


def test_other_demands_are_refused_by_name():
    targets = GradientTargets.from_entries([(0, 1, 2, 1.0)], num_lfs=4, num_classes=2, num_features=5)
    rows = batch(None)
    assert not InsertionPenalty().has_demands(rows)
    rows.gradient_targets = targets
    with pytest.raises(TargetsError, match="insertions=True"):
        InsertionPenalty().has_demands(rows)
    with pytest.raises(TargetsError, match="does not read"):
        GradientPenalty().has_demands(batch(bank().draw(0)))
    with pytest.raises(TargetsError, match="no insertions"):
        InsertionPenalty().measure(mlp(), batch(None), 0)


def test_networks_with_one_derivative_are_enough():
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, gradient):
            return gradient

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(5, 2)

        def forward(self, x):
            return Once.apply(self.linear(x))

    net = Net()
    assert not InsertionPenalty.needs_second_derivative
    LoLLoss(InsertionPenalty())(net, batch(bank().draw(0))).loss.backward()
    assert net.linear.weight.grad.abs().max() > 0


@pytest.mark.slow
def test_a_compiled_network_stays_compiled():
    net = mlp()
    compiled = torch.compile(net, backend="aot_eager")
    drawn = batch(bank().draw(0))
    plain = LoLLoss(InsertionPenalty())(net.eval(), drawn).loss
    fast = LoLLoss(InsertionPenalty())(compiled, drawn).loss
    assert fast.item() == pytest.approx(plain.item(), rel=1e-5)
    fast.backward()


def test_bfloat16_autocast_is_close():
    net, drawn = mlp().eval(), batch(bank().draw(0))
    exact = InsertionPenalty().measure(net, drawn, 0).penalty
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = InsertionPenalty().measure(net, drawn, 0).penalty
    assert rough.item() == pytest.approx(exact.item(), rel=0.05)
