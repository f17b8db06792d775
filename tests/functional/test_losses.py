import copy

import oracles
import pytest
import torch
from torch import nn

from lol_lightning.exceptions import TargetsError
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.gradients import model_input_gradient
from lol_lightning.functional.losses import (
    HINGES,
    gradient_penalty,
    increase_within_reach,
    vote_loss,
    weighted_penalty,
)
from lol_lightning.functional.votes import lf_factors, soft_votes

B, M, K, D, T = 7, 4, 3, 6, 5
ENTRIES = [(0, 2, 1, 1.0), (0, 0, 1, -0.4), (1, 1, 3, 0.7), (1, 2, 4, 0.2), (3, 0, 0, -1.0), (3, 0, 1, 1.0)]


@pytest.fixture
def network():
    return nn.Sequential(nn.Linear(D, 8), nn.Tanh(), nn.Linear(8, K)).double()


@pytest.fixture
def case(network):
    votes = torch.randint(-1, K, (B, M))
    votes[2] = -1
    x, z = torch.randn(B, D).double(), torch.rand(T, D).double().round()
    weights = torch.tensor([1.0, 0.5, 2.0, 1.5]).double()
    targets = GradientTargets.from_entries(ENTRIES, M, K, D)
    return x, z, votes, weights, targets


def lol_loss(logits, votes, gradients, targets, alpha, c, hinge, weights):
    return vote_loss(logits, votes, weights) + alpha * weighted_penalty(gradients, votes, targets, c, hinge, weights)


def loss_of(network, x, z, votes, weights, targets, alpha=2.0, c=0.3, hinge="square"):
    gradients = model_input_gradient(network, z, K)[:, targets.features]
    return lol_loss(network(x), votes, gradients, targets, alpha, c, hinge, weights)


def test_vote_loss_is_the_sum_over_votes(network, case):
    x, _, votes, weights, _ = case
    logits = network(x)
    torch.testing.assert_close(vote_loss(logits, votes, weights), oracles.vote_loss(logits, votes, weights))
    classes = torch.linspace(0.5, 2, logits.shape[1], dtype=logits.dtype)
    expected = oracles.vote_loss(logits, votes, weights, classes)
    torch.testing.assert_close(vote_loss(logits, votes, weights, classes), expected)


def test_proposition_1_vote_loss_is_one_cross_entropy_to_the_soft_vote(network, case):
    x, _, votes, _, _ = case
    votes = votes[(votes != -1).any(1)]
    logits = network(x[: len(votes)])
    expected = nn.functional.cross_entropy(logits, soft_votes(votes, K).double())
    torch.testing.assert_close(vote_loss(logits, votes), expected)


def test_squared_losses_to_the_votes_differ_from_one_to_the_soft_vote_by_a_constant(network, case):
    """The same identity for a squared loss: its gradient is that of one loss to the soft vote."""
    x, _, votes, _, _ = case
    probs = network(x).softmax(-1)
    one_hot = nn.functional.one_hot(votes.clamp(min=0), K) * (votes != -1).unsqueeze(-1)
    count = (votes != -1).sum(1).clamp(min=1)
    each = ((probs.unsqueeze(1) - one_hot) ** 2).sum(-1).where(votes != -1, 0).sum(1) / count
    covered = (votes != -1).any(1)
    at_once = ((probs - soft_votes(votes, K)) ** 2).sum(-1).where(covered, 0)
    gradients = [torch.autograd.grad(loss.sum(), network[0].weight, retain_graph=True)[0] for loss in (each, at_once)]
    torch.testing.assert_close(*gradients)


def test_all_of_the_penalty_counts_only_where_its_lf_votes(network, case):
    """Eq. 4 rearranged: the sum over rows of a row-free penalty is its LF's share."""
    _, z, votes, weights, targets = case
    gradients = model_input_gradient(network, z, K)[:, targets.features]
    p = gradient_penalty(gradients, targets, 0.3)
    by_rows = sum(
        weights[i] * p[i] / (votes[row] != -1).sum() for row in range(B) for i in range(M) if votes[row, i] != -1
    )
    torch.testing.assert_close(weighted_penalty(gradients, votes, targets, 0.3, lf_weights=weights), by_rows / B)


@pytest.mark.parametrize("shape", HINGES)
def test_lol_loss_matches_the_loop_of_the_paper(network, case, shape):
    x, z, votes, weights, _ = case
    gradient = oracles.input_gradient(network, z, K)
    expected = oracles.lol_loss(network(x), votes, weights, gradient, ENTRIES, 2.0, 0.3, shape)
    actual = loss_of(network, *case, hinge=shape)
    torch.testing.assert_close(actual, expected)
    parameters = list(network.parameters())
    for ours, theirs in zip(
        torch.autograd.grad(actual, parameters), torch.autograd.grad(expected, parameters), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("shape", HINGES)
def test_penalties_match_the_loop_of_the_paper(network, case, shape):
    _, z, _, _, targets = case
    gradient = model_input_gradient(network, z, K)
    expected = oracles.penalties(gradient, ENTRIES, M, 0.3, shape)
    torch.testing.assert_close(gradient_penalty(gradient[:, targets.features], targets, 0.3, shape), expected)
    assert expected[2] == 0


@pytest.mark.parametrize("shape", HINGES)
def test_gradcheck_and_gradgradcheck_in_double_precision(network, case, shape):
    x, z, votes, weights, targets = case

    def loss(weight, bias):
        def forward(inputs):
            return network[2](torch.tanh(inputs @ weight.T + bias))

        gradients = model_input_gradient(forward, z, K)[:, targets.features]
        return lol_loss(forward(x), votes, gradients, targets, 2.0, 0.31, shape, weights)

    inputs = tuple(p.detach().clone().requires_grad_() for p in network[0].parameters())
    assert torch.autograd.gradcheck(loss, inputs)
    assert torch.autograd.gradgradcheck(loss, inputs)


def test_alpha_changes_the_parameter_gradients(network, case):
    """The published code fails here: its parameter gradients do not depend on alpha."""
    gradients = []
    for alpha in (0.0, 1.0, 100.0):
        network.zero_grad()
        loss_of(network, *case, alpha=alpha).backward()
        gradients.append(network[0].weight.grad.clone())
    assert (gradients[0] - gradients[1]).norm() > 1e-3
    torch.testing.assert_close(gradients[2] - gradients[0], 100 * (gradients[1] - gradients[0]))


def test_following_the_penalty_meets_the_demands(network, case):
    _, z, _, _, targets = case
    optimizer = torch.optim.Adam(network.parameters(), 0.05)
    for _ in range(200):
        optimizer.zero_grad()
        gradients = model_input_gradient(network, z, K)[:, targets.features]
        gradient_penalty(gradients, targets, 0.1).sum().backward()
        optimizer.step()
    reached = model_input_gradient(network, z, K)
    assert reached[2, 1] > 0.08
    assert reached[0, 0] < -0.08


def test_permuting_lfs_changes_nothing(network, case):
    x, z, votes, weights, _ = case
    order = torch.tensor([2, 0, 3, 1])
    permuted = GradientTargets.from_entries([(int((order == i).nonzero()), k, j, v) for i, k, j, v in ENTRIES], M, K, D)
    torch.testing.assert_close(
        loss_of(network, x, z, votes[:, order], weights[order], permuted), loss_of(network, *case)
    )


def test_all_abstain_batch_is_a_finite_zero_with_a_graph(network, case):
    x, z, votes, weights, targets = case
    loss = loss_of(network, x, z, torch.full_like(votes, -1), weights, targets)
    loss.backward()
    assert loss.item() == 0
    assert all(torch.equal(p.grad, torch.zeros_like(p)) for p in network.parameters())


def test_lfs_without_features_leave_the_vote_loss_alone(network, case):
    x, z, votes, weights, _ = case
    nothing = GradientTargets.from_entries([], M, K, D)
    assert nothing.lfs_without_features == [0, 1, 2, 3]
    torch.testing.assert_close(
        loss_of(network, x, z, votes, weights, nothing), vote_loss(network(x), votes, weights), rtol=0, atol=0
    )


def test_votes_as_probabilities_give_the_loss_of_votes_as_classes(network, case):
    x, z, votes, weights, targets = case
    one_hot = nn.functional.one_hot(votes.clamp(min=0), K).double() * (votes != -1).unsqueeze(-1)
    torch.testing.assert_close(loss_of(network, x, z, one_hot, weights, targets), loss_of(network, *case))


def test_rows_weigh_the_same_however_many_lfs_vote_on_them():
    logits = torch.tensor([[0.0, 1.0]])
    one, three = torch.tensor([[1, -1, -1]]), torch.tensor([[1, 1, 1]])
    torch.testing.assert_close(vote_loss(logits, one), vote_loss(logits, three))
    torch.testing.assert_close(lf_factors(one).sum(), lf_factors(three).sum())


def test_loss_changes_neither_the_network_nor_its_mode(network, case):
    before = copy.deepcopy(network.state_dict())
    loss_of(network, *case)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())


def test_the_mean_over_entries_makes_long_lists_weigh_as_much_as_short_ones():
    lists = [(0, 1, j, 1.0) for j in range(4)] + [(1, 0, 4, -1.0)]
    targets = GradientTargets.from_entries(lists, num_lfs=3, num_classes=2, num_features=5)
    gradients = torch.tensor([[0.0, 0.0, 0.0, 0.0, -0.1], [0.0, 0.1, 0.2, 0.3, 0.0]])
    margins = torch.tensor([0.5, 0.4, 0.3, 0.2])
    mean = gradient_penalty(gradients, targets, 0.5, "linear", "mean")
    torch.testing.assert_close(mean, torch.tensor([margins.mean(), 0.4, 0.0]))
    total = gradient_penalty(gradients, targets, 0.5, "linear", "sum")
    torch.testing.assert_close(total, torch.tensor([margins.sum(), 0.4, 0.0]))


def test_equal_shares_count_the_penalty_of_an_lf_that_does_not_vote_here():
    targets = GradientTargets.from_entries([(0, 1, 0, 1.0), (1, 0, 1, 1.0)], num_lfs=2, num_classes=2, num_features=2)
    votes, gradients = torch.tensor([[1, -1], [1, -1]]), torch.zeros(2, 2)
    weights = torch.tensor([1.0, 3.0])
    by_votes, equal = (weighted_penalty(gradients, votes, targets, 0.5, factors=f) for f in ("votes", "equal"))
    torch.testing.assert_close([by_votes, equal], [torch.tensor(0.25), torch.tensor(0.25)])
    weighted = weighted_penalty(gradients, votes, targets, 0.5, lf_weights=weights, factors="equal")
    torch.testing.assert_close(weighted, torch.tensor(0.5 * 0.25 + 1.5 * 0.25))


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("shape", [(K, D), (5, K, 4), (K + 1, 4), (4,), (1, K, 4)])
def test_gradients_of_another_shape_are_refused(shape):
    targets = GradientTargets.from_entries(ENTRIES, M, K, D)
    assert len(targets.features) == 4 != D
    with pytest.raises(TargetsError, match=r"restricted to targets.features"):
        gradient_penalty(torch.zeros(shape), targets, 0.3)


@pytest.mark.parametrize("c", [0.05, 0.35, 0.7, 2.0])
def test_a_slope_within_reach_raises_the_probability_by_no_more_than_c(c):
    h = torch.linspace(0.001, 0.999, 200, dtype=torch.double)
    demand = torch.stack([increase_within_reach(p.view(1, 1), c)[0] for p in h])
    assert (demand > 0).all()
    assert (demand <= c + 1e-12).all()
    # With log-odds that rise at the demanded rate, one unit takes the probability towards h + min(c, 2 (1 - h) / 3).
    reached = (h.logit() + demand / (h * (1 - h))).sigmoid()
    aim = h + torch.minimum(torch.tensor(c, dtype=torch.double), 2 * (1 - h) / 3)
    assert (reached <= aim + 1e-9).all()
    free = demand < c - 1e-9
    torch.testing.assert_close(reached[free], aim[free])


def test_what_is_within_reach_is_a_mean_over_samples_without_a_graph():
    probabilities = torch.tensor([[0.5, 0.5], [0.1, 0.9], [0.0, 1.0]])
    each = torch.stack([increase_within_reach(row.view(1, 2), 0.35) for row in probabilities])
    torch.testing.assert_close(increase_within_reach(probabilities, 0.35), each.mean(0))
    assert (each[2] < 1e-4).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_what_is_within_reach_is_finite_in_half_precision(dtype):
    sure = torch.tensor([[1.0, 0.0], [0.9999, 0.0001]], dtype=dtype)
    assert torch.isfinite(increase_within_reach(sure, 0.7)).all()
