import copy

import pytest
import torch
from torch import nn
from toy import toy_batch

from lol_lightning.models.lazy_adam import LazyAdam, summed_rows
from lol_lightning.networks.sparse_mlp import SparseMLP


def train(network, optimizer, batches, steps=6):
    for step in range(steps):
        optimizer.zero_grad()
        network(batches[step % len(batches)]).square().mean().backward()
        optimizer.step()
    return network


def twins(num_features=30):
    lazy = SparseMLP(num_features, 3, dropout=0.0, sparse_grad=True)
    exact = copy.deepcopy(lazy)
    exact.sparse_grad = False
    return lazy, exact


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_it_is_adam_where_every_row_occurs_in_every_step(weight_decay):
    rows = toy_batch().features
    assert set(rows.indices.tolist()) == set(range(30))
    lazy, exact = (network.double() for network in twins())
    train(lazy, LazyAdam(lazy.parameters(), lr=0.01, weight_decay=weight_decay), [rows])
    train(exact, torch.optim.Adam(exact.parameters(), lr=0.01, weight_decay=weight_decay), [rows])
    for ours, theirs in zip(lazy.parameters(), exact.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_it_is_sparse_adam_on_the_rows_that_occur():
    first, second = toy_batch(rows=slice(0, 3)).features, toy_batch(rows=slice(3, 6)).features
    lazy, exact = (network.double() for network in twins())
    exact.sparse_grad = True
    for network in (lazy, exact):
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name == "bags.weight")
    # The two place eps differently, so it is made too small to count.
    train(lazy, LazyAdam([lazy.weight], lr=0.01, eps=1e-30), [first, second])
    train(exact, torch.optim.SparseAdam([exact.weight], lr=0.01, eps=1e-30), [first, second])
    torch.testing.assert_close(lazy.weight, exact.weight)


def test_rows_that_do_not_occur_stay_as_they_are():
    rows = toy_batch(rows=slice(0, 2)).features
    lazy, _ = twins()
    before = lazy.weight.detach().clone()
    train(lazy, LazyAdam(lazy.parameters(), lr=0.01, weight_decay=0.5), [rows])
    touched = torch.zeros(30, dtype=torch.bool)
    touched[rows.indices] = True
    assert lazy.weight[~touched].equal(before[~touched])
    assert (lazy.weight[touched] != before[touched]).any(1).all()


def test_state_survives_a_round_trip():
    rows = toy_batch().features
    lazy, _ = twins()
    optimizer = LazyAdam(lazy.parameters(), lr=0.01)
    train(lazy, optimizer, [rows], steps=2)
    again = copy.deepcopy(lazy)
    resumed = LazyAdam(again.parameters(), lr=0.01)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(lazy, optimizer, [rows], steps=2)
    train(again, resumed, [rows], steps=2)
    assert lazy.weight.equal(again.weight)


def test_step_returns_the_closure_value_and_keeps_the_gradient():
    weight = nn.Parameter(torch.ones(3, 2))
    optimizer = LazyAdam([weight], lr=0.1)

    def closure():
        weight.grad = torch.sparse_coo_tensor([[1]], [[1.0, 1.0]], (3, 2), check_invariants=True)
        return 7.0

    assert optimizer.step(closure) == 7.0
    assert weight.grad.is_sparse
    assert weight[0].tolist() == [1.0, 1.0]
    torch.testing.assert_close(weight[1], torch.tensor([0.9, 0.9]))


def test_summed_rows_sums_repeated_rows():
    values = torch.tensor([[1.0], [2.0], [4.0]])
    gradient = torch.sparse_coo_tensor([[2, 0, 2]], values, (3, 1), check_invariants=True)
    rows, sums = summed_rows(gradient)
    assert rows.tolist() == [0, 2]
    assert sums.tolist() == [[2.0], [5.0]]
