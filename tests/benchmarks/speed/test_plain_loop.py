import pytest
import torch
from toy import toy_problem, toy_targets

from benchmarks.speed.plain_loop import demands_of, plain_loss, plain_mlp, smoothed_gradient
from lol_lightning.functional.gradients import model_input_gradient
from lol_lightning.functional.losses import vote_loss, weighted_penalty


@pytest.mark.parametrize("abstaining", [False, True])
def test_the_plain_loop_has_the_loss_and_gradients_of_the_equations(abstaining):
    x, votes, _ = toy_problem()
    x, votes = x.double(), torch.full_like(votes, -1) if abstaining else votes
    targets = toy_targets()
    network = plain_mlp(targets.num_features, targets.num_classes, dropout=0.0).double()
    samples = torch.bernoulli(torch.full((7, targets.num_features), 0.3, dtype=torch.double))
    parameters = list(network.parameters())

    def gradients(loss):
        of_all = torch.autograd.grad(loss, parameters, allow_unused=True)
        return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, of_all, strict=True)]

    loss = plain_loss(network, x, votes, samples, demands_of(targets), alpha=3.0, c=0.4)
    inspected = model_input_gradient(network, samples, targets.num_classes)[:, targets.features]
    penalty = weighted_penalty(inspected, votes, targets, c=0.4, factors="votes", reduction="sum")
    expected = vote_loss(network(x), votes) + 3.0 * penalty
    assert abstaining or expected.item() > 0.5
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradients(loss), gradients(expected))


def test_smoothing_leaves_out_dropout_and_puts_training_mode_back():
    network = plain_mlp(6, 3, dropout=0.9)
    samples = torch.ones(4, 6)
    first, second = (smoothed_gradient(network, samples, 3) for _ in range(2))
    torch.testing.assert_close(first, second)
    assert network.training
    assert first.abs().sum() > 0
