import oracles
import pytest
import torch
from torch import nn

from lol_lightning.functional.gradients import model_input_gradient


@pytest.mark.parametrize("num_classes", [2, 3, 10])
def test_gradient_is_the_mean_over_samples_of_each_probability(num_classes):
    network = nn.Sequential(nn.Linear(5, 8), nn.GELU(), nn.Linear(8, num_classes)).double()
    z = torch.rand(6, 5).double()
    torch.testing.assert_close(
        model_input_gradient(network, z, num_classes), oracles.input_gradient(network, z, num_classes)
    )


def test_gradients_of_single_samples_average_to_the_mean():
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    images = torch.rand(4, 3, 2, 2)
    each = model_input_gradient(network, images, 3, reduction="none")
    assert each.shape == (4, 3, 3, 2, 2)
    torch.testing.assert_close(each.mean(0), model_input_gradient(network, images, 3))
    torch.testing.assert_close(each[1], oracles.input_gradient(network, images[1:2], 3))


def test_gradients_over_classes_cancel():
    network = nn.Linear(5, 4)
    gradient = model_input_gradient(network, torch.rand(3, 5), 4)
    torch.testing.assert_close(gradient.sum(0), torch.zeros(5))


def test_it_keeps_a_graph_and_leaves_the_input_alone():
    network, z = nn.Linear(5, 2), torch.rand(3, 5)
    gradient = model_input_gradient(network, z, 2)
    gradient[1].sum().backward()
    assert network.weight.grad.abs().sum() > 0
    assert not z.requires_grad
    assert z.grad is None


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_works_where_lightning_evaluates(mode):
    network, z = nn.Linear(5, 2), torch.rand(3, 5)
    expected = model_input_gradient(network, z, 2).detach()
    with mode():
        made_here = z.clone()
        torch.testing.assert_close(model_input_gradient(network, made_here, 2).detach(), expected)


@pytest.mark.parametrize("num_classes", [2, 4])
def test_log_odds_are_differentiated_class_by_class(num_classes):
    network = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, num_classes)).double()
    z = torch.rand(6, 5, dtype=torch.double, requires_grad=True)
    probs = network(z).softmax(-1)
    log_odds = (probs / (1 - probs)).log()
    expected = torch.stack(
        [torch.autograd.grad(log_odds[:, k].sum(), z, retain_graph=True)[0] for k in range(num_classes)]
    )
    each = model_input_gradient(network, z, num_classes, reduction="none", unit="log-odds")
    torch.testing.assert_close(each, expected.transpose(0, 1))
    torch.testing.assert_close(model_input_gradient(network, z, num_classes, unit="log-odds"), expected.mean(1))


@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_gradient_of_log_odds_reaches_the_weights_rightly(num_classes):
    weight = torch.randn(num_classes, 4, dtype=torch.double, requires_grad=True)
    z = torch.rand(3, 4, dtype=torch.double)

    def gradient(weight):
        return model_input_gradient(lambda x: (x @ weight.T).tanh(), z, num_classes, unit="log-odds")

    torch.autograd.gradcheck(gradient, weight)


def test_a_sure_model_has_the_same_gradient_in_log_odds_as_an_unsure_one():
    network, z = nn.Linear(5, 2), torch.rand(3, 5)
    unsure = model_input_gradient(network, z, 2, unit="log-odds")
    with torch.no_grad():
        network.bias.copy_(torch.tensor([200.0, 0.0]))
    torch.testing.assert_close(model_input_gradient(network, z, 2, unit="log-odds"), unsure)
    assert model_input_gradient(network, z, 2)[0].abs().max() == 0
