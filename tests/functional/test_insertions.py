"""Differences by insertion: the smoothed model's own derivative, held in the backward pass, and Eq. 3 on them."""

import itertools

import pytest
import torch
from torch import nn

from lol_lightning.functional.insertions import (
    TermMeans,
    added_by_term,
    insertion_margins,
    insertion_penalty,
    means_of_terms,
    rise_within_reach,
)


def network(d=4, k=3, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(d, 6), nn.Tanh(), nn.Linear(6, k)).double()


def chances(z, phi):
    return torch.where(z > 0, phi, 1 - phi).prod(-1)


@pytest.mark.parametrize("k", [2, 3])
def test_mean_difference_is_the_derivative_of_the_smoothed_model(k):
    # Sec. 4.2: h~(phi) = E[h(z)], z ~ Ber(phi), by enumeration of all 16 rows of a binary bag.
    net, phi = network(k=k), torch.tensor([0.2, 0.5, 0.7, 0.1], dtype=torch.double, requires_grad=True)
    rows = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4)), dtype=torch.double)
    smoothed = (chances(rows, phi).unsqueeze(-1) * net(rows).softmax(-1)).sum(0)
    for cls, j in itertools.product(range(k), range(4)):
        (derivative,) = torch.autograd.grad(smoothed[cls], phi, retain_graph=True)
        with_term, without_term = rows.clone(), rows.clone()
        with_term[:, j], without_term[:, j] = 1, 0
        added = added_by_term(net(with_term), net(without_term), torch.full((16,), cls))
        assert abs((chances(rows, phi) * added).sum() - derivative[j]).item() < 1e-12


@pytest.mark.parametrize("unit", ["probability", "log-odds"])
@pytest.mark.parametrize("k", [2, 3])
def test_held_difference_has_the_same_value_and_no_gradient_of_the_output_bias(unit, k):
    net = network(k=k)
    with_term, without_term, cls = torch.rand(5, 4).double(), torch.rand(5, 4).double(), torch.tensor([0, 1, 1, 0, 1])
    held, plain = (added_by_term(net(with_term), net(without_term), cls, unit, hold) for hold in (True, False))
    assert torch.allclose(held.detach(), plain.detach(), rtol=0, atol=1e-14)
    (of_held,), (of_plain,) = (
        torch.autograd.grad(added.square().sum(), net[-1].bias, retain_graph=True) for added in (held, plain)
    )
    # Each row of the Jacobian meets the same bias twice, once with each sign.
    assert of_held.abs().max() < 1e-12
    if unit == "probability" or k > 2:
        assert of_plain.abs().max() > 1e-4
    assert torch.autograd.grad(held.sum(), net[0].weight)[0].abs().max() > 1e-3


def test_the_held_factor_is_the_mean_of_the_jacobian_between_the_logits():
    start, step, cls = torch.randn(4, 3).double(), torch.randn(4, 3).double(), torch.tensor([0, 1, 2, 1])
    end = (start + step).requires_grad_()
    added_by_term(end, start, cls).sum().backward()
    points = torch.linspace(0, 1, 2001).double()
    probabilities = (start.unsqueeze(1) + points[:, None] * step.unsqueeze(1)).softmax(-1)
    of_class = probabilities.gather(-1, cls[:, None, None].expand(-1, 2001, 1))
    one_hot = torch.nn.functional.one_hot(cls, 3).unsqueeze(1)
    mean = torch.trapezoid(of_class * (one_hot - probabilities), points, dim=1)
    assert torch.allclose(end.grad, mean, atol=2e-4)
    # By the mean value theorem, it times the difference of logits is the difference of probabilities.
    assert torch.allclose((end.grad * step).sum(-1), added_by_term(end, start, cls).detach(), atol=1e-3)


def test_log_odds_of_two_classes_differ_as_the_logits_do():
    with_term, without_term = torch.tensor([[0.0, 3.0]]), torch.tensor([[1.0, 1.5]])
    assert added_by_term(with_term, without_term, torch.tensor([1]), "log-odds").item() == pytest.approx(2.5)


def test_half_precision_logits_of_certain_classes_stay_finite():
    added = added_by_term(torch.tensor([[0.0, 60.0]]).half(), torch.tensor([[60.0, 0.0]]).half(), torch.tensor([1]))
    assert added.dtype == torch.float32
    assert added.item() == pytest.approx(1)


def test_demands_stay_within_reach():
    reach = rise_within_reach(torch.tensor([0.0, 0.4, 1.0, 0.9, 0.3]), 0.7, torch.tensor([1.0, 1, 1, -1, -1]))
    assert torch.allclose(reach, torch.tensor([2 / 3, 0.4, 0.0, 0.6, 0.2]))


def test_penalty_equals_a_loop_over_lfs_and_terms():
    torch.manual_seed(1)
    added, demanded = torch.rand(9) - 0.5, torch.rand(9) - 0.3
    group = torch.tensor([0, 0, 0, 1, 2, 2, 3, 3, 3])
    lf_of_group = [0, 1, 1, 3]
    lf = torch.tensor([lf_of_group[g] for g in group])
    weight = torch.tensor([0.2, 0.2, 0.2, 1.0, 0.3, 0.3, 0.1, 0.2, 0.3])
    expected = torch.zeros(4)
    for g, i in enumerate(lf_of_group):
        rows = (group == g).nonzero()[:, 0]
        share = weight[rows] / weight[rows].sum()
        mean, asked = (share * added[rows]).sum(), (share * demanded[rows]).sum()
        expected[i] += weight[rows].sum() * (asked.abs() - asked.sign() * mean).clamp(min=0) ** 2
    terms = means_of_terms(added, demanded, lf, weight, group)
    assert torch.allclose(insertion_penalty(terms, num_lfs=4), expected, atol=1e-7)


def test_insertions_without_groups_are_terms_of_their_own():
    added, demanded, lf = torch.tensor([0.1, 0.3]), torch.tensor([0.2, 0.2]), torch.tensor([0, 0])
    terms = means_of_terms(added, demanded, lf, torch.tensor([0.5, 0.5]), None)
    assert insertion_penalty(terms, 1).item() == pytest.approx(0.5 * 0.1**2)


def test_negative_values_demand_a_fall():
    terms = TermMeans(torch.tensor([-0.1, 0.2]), torch.tensor([-0.3, -0.3]), torch.tensor([0, 1]), torch.ones(2))
    assert torch.allclose(insertion_margins(terms), torch.tensor([0.2, 0.5]))


def test_no_insertions_give_zero():
    empty, none = torch.zeros(0), torch.zeros(0, dtype=torch.long)
    assert torch.equal(insertion_penalty(means_of_terms(empty, empty, none, empty, none), 2), torch.zeros(2))
