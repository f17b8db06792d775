import oracles
import pytest
import torch
from torch import nn

from lol_lightning.functional.example_losses import (
    example_margins,
    example_penalty,
    voted_gradient,
    weighted_example_penalty,
)
from lol_lightning.functional.example_targets import ExampleTargets
from lol_lightning.functional.gradients import input_gradient_and_logits
from lol_lightning.functional.losses import HINGES, vote_loss

B, M, K, D, TOP = 6, 4, 3, 10, 3


@pytest.fixture
def network():
    return nn.Sequential(nn.Linear(D, 8), nn.Tanh(), nn.Linear(8, K)).double()


@pytest.fixture
def case():
    votes = torch.randint(-1, K, (B, M))
    votes[2] = -1
    x = torch.randn(B, D).double()
    index = torch.rand(B, M, D).argsort(-1)[..., :TOP]
    value = torch.randn(B, M, TOP).double()
    value[0, 0, 1] = 0.0
    return x, votes, ExampleTargets(index, value, D)


def entries_of(targets):
    pairs = [
        [list(zip(j.tolist(), v.tolist(), strict=True)) for j, v in zip(js, vs, strict=True)]
        for js, vs in zip(targets.index, targets.demands(torch.double), strict=True)
    ]
    return [[[(j, v) for j, v in lf if v != 0] for lf in row] for row in pairs]


def reached(network, x, votes, targets, unit="probability"):
    gradients, logits = input_gradient_and_logits(network, x, K, "none", unit)
    return voted_gradient(gradients.flatten(2), logits, votes, targets, unit)


@pytest.mark.parametrize("shape", HINGES)
@pytest.mark.parametrize("unit", ["probability", "log-odds"])
def test_penalties_and_their_gradients_match_the_loop(network, case, shape, unit):
    x, votes, targets = case
    ours = example_penalty(reached(network, x, votes, targets, unit), targets, 0.3, shape)
    theirs = oracles.example_penalties(network, x, votes, entries_of(targets), 0.3, shape, unit == "log-odds")
    voted = votes != -1
    torch.testing.assert_close(ours[voted], theirs[voted])
    parameters = list(network.parameters())[:3]
    for a, b in zip(
        torch.autograd.grad(ours[voted].sum(), parameters),
        torch.autograd.grad(theirs.sum(), parameters),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_the_loss_matches_equation_4(network, case):
    x, votes, targets = case
    weights = torch.tensor([1.0, 2.0, 0.5, 1.5]).double()
    penalties = oracles.example_penalties(network, x, votes, entries_of(targets), 0.3)
    expected = oracles.example_lol_loss(network(x), votes, weights, penalties, weights, 2.0)
    penalty = weighted_example_penalty(reached(network, x, votes, targets), votes, targets, 0.3, lf_weights=weights)
    torch.testing.assert_close(vote_loss(network(x), votes, weights) + 2.0 * penalty, expected)


def test_gradcheck_in_double_precision(network, case):
    x, votes, targets = case

    def loss(weight, bias):
        def forward(inputs):
            return network[2](torch.tanh(inputs @ weight.T + bias))

        return weighted_example_penalty(reached(forward, x, votes, targets), votes, targets, 0.31)

    inputs = tuple(p.detach().clone().requires_grad_() for p in network[0].parameters())
    assert torch.autograd.gradcheck(loss, inputs)
    assert torch.autograd.gradgradcheck(loss, inputs)


@pytest.mark.parametrize("unit", ["probability", "log-odds"])
def test_votes_as_probabilities_have_the_gradient_of_the_class_they_vote(network, case, unit):
    x, votes, targets = case
    soft = torch.full((B, M, K), 0.1).double().scatter(2, votes.clamp(min=0).unsqueeze(-1), 0.8)
    soft[votes == -1] = 0
    voted = votes != -1
    hard, of_soft = (reached(network, x, v, targets, unit) for v in (votes, soft))
    torch.testing.assert_close(of_soft[voted], hard[voted])
    shared = [weighted_example_penalty(r, v, targets, 0.3) for r, v in ((hard, votes), (of_soft, soft))]
    torch.testing.assert_close(*shared)


def test_sure_models_keep_finite_gradients_of_several_classes(network, case):
    x, _, targets = case
    with torch.no_grad():
        network[2].weight.mul_(500)
    soft = torch.tensor([0.4, 0.2, 0.4]).double().expand(B, M, K).contiguous()
    found = reached(network, x, soft, targets, "log-odds")
    assert found.isfinite().all()
    found.sum().backward()
    assert network[0].weight.grad.isfinite().all()


@pytest.mark.parametrize("unit", ["probability", "log-odds"])
def test_a_vote_for_several_classes_has_the_gradient_of_their_sum(network, case, unit):
    x, _, targets = case
    soft = torch.tensor([0.4, 0.2, 0.4]).double().expand(B, M, K).contiguous()
    ours = reached(network, x, soft, targets, unit)
    leaf = x.clone().requires_grad_()
    of_set = network(leaf).softmax(-1)[:, [0, 2]].sum(-1)
    goal = torch.logit(of_set) if unit == "log-odds" else of_set
    (expected,) = torch.autograd.grad(goal.sum(), leaf)
    torch.testing.assert_close(ours, expected.unsqueeze(1).expand(-1, M, -1).gather(2, targets.index))


def test_rows_without_votes_and_labelers_without_weight_demand_nothing(network, case):
    x, votes, targets = case
    silent = weighted_example_penalty(reached(network, x, votes, targets), votes.fill_(-1), targets, 0.3)
    silent.backward()
    assert silent.item() == 0
    votes.fill_(1)
    found = reached(network, x, votes, targets)
    assert weighted_example_penalty(found, votes, targets, 0.3, lf_weights=torch.zeros(M)).item() == 0


def test_equal_shares_divide_by_all_labelers(network, case):
    x, votes, targets = case
    found = reached(network, x, votes, targets)
    by_hand = sum(p for row, p in zip(votes, example_penalty(found, targets, 0.3), strict=True) for p in p[row != -1])
    ours = weighted_example_penalty(found, votes, targets, 0.3, factors="equal")
    torch.testing.assert_close(ours, by_hand / (B * M))


def test_the_mean_does_not_depend_on_the_number_and_the_units_of_the_inputs(network, case):
    x, votes, targets = case
    found = reached(network, x, votes, targets)
    mean, total = (example_penalty(found, targets, 0.3, reduction=reduction) for reduction in ("mean", "sum"))
    torch.testing.assert_close(mean, total / targets.index.shape[-1])
    steep = ExampleTargets(targets.index, 50 * targets.value, D).with_typical_magnitude()
    ours = example_penalty(50 * found, steep, 0.3, reduction="mean")
    torch.testing.assert_close(ours, example_penalty(found, targets.with_typical_magnitude(), 0.3, reduction="mean"))
    ignored = example_penalty(torch.zeros_like(found), steep, 0.3, reduction="mean")
    assert ignored.sum().item() * steep.top_k == pytest.approx(0.3**2 * steep.value.count_nonzero().item())


def test_permuting_labelers_and_rows_changes_nothing(network, case):
    x, votes, targets = case
    rows, order = torch.randperm(B), torch.tensor([2, 0, 3, 1])
    permuted = ExampleTargets(targets.index[rows][:, order], targets.value[rows][:, order], D)
    there, here = votes[rows][:, order], votes
    torch.testing.assert_close(
        weighted_example_penalty(reached(network, x[rows], there, permuted), there, permuted, 0.3),
        weighted_example_penalty(reached(network, x, here, targets), here, targets, 0.3),
    )


def test_following_the_penalty_meets_the_demands(network, case):
    x, votes, _ = case
    votes[:] = torch.arange(B).unsqueeze(1) % K
    same = ExampleTargets(torch.zeros(B, M, 1, dtype=torch.int16), torch.ones(B, M, 1, dtype=torch.half), D)
    optimizer = torch.optim.Adam(network.parameters(), 0.05)
    for _ in range(150):
        optimizer.zero_grad()
        found = reached(network, x, votes, same)
        weighted_example_penalty(found, votes, same, 0.1).backward()
        optimizer.step()
    assert (example_margins(found, same, 0.1) > 0.02).float().mean() < 0.1
