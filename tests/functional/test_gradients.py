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


UNITS = ("probability", "log-odds")


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("num_classes", [2, 3, 10])
def test_a_held_factor_leaves_the_value_alone(num_classes, unit):
    network = nn.Sequential(nn.Linear(5, 8), nn.GELU(), nn.Linear(8, num_classes)).double()
    z = torch.rand(6, 5, dtype=torch.double)
    for reduction in ("mean", "none"):
        plain, held = (
            model_input_gradient(network, z, num_classes, reduction, unit, hold_factor=hold) for hold in (False, True)
        )
        torch.testing.assert_close(held, plain)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("num_classes", [2, 3])
def test_a_held_factor_is_a_constant_in_the_backward_pass(num_classes, unit):
    """The oracle multiplies the Jacobian of the logits with numbers that were computed before."""
    network = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, num_classes)).double()
    z = torch.rand(6, 5, dtype=torch.double)
    weights = torch.randn(num_classes, 5, dtype=torch.double)
    jacobian = torch.func.vmap(torch.func.jacrev(network))(z)
    factor = oracles.factor_of_logits(network(z).detach(), unit)
    expected = torch.einsum("tkl,tld->kd", factor, jacobian) / len(z)
    held = model_input_gradient(network, z, num_classes, unit=unit, hold_factor=True)
    torch.testing.assert_close(held, expected)
    parameters = list(network.parameters())
    results = [
        torch.autograd.grad((g * weights).sum().square(), parameters, allow_unused=True, materialize_grads=True)
        for g in (held, expected)
    ]
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("body", [nn.Tanh(), nn.GELU(), nn.ReLU(), nn.Identity()])
@pytest.mark.parametrize("num_classes", [2, 4])
def test_a_held_factor_sends_nothing_to_the_output_bias(num_classes, body, unit):
    network = nn.Sequential(nn.Linear(5, 8), body, nn.Linear(8, num_classes))
    z = torch.rand(6, 5)

    def of_bias(hold_factor):
        gradient = model_input_gradient(network, z, num_classes, unit=unit, hold_factor=hold_factor)
        (found,) = torch.autograd.grad(
            gradient.square().sum(), [network[2].bias], allow_unused=True, materialize_grads=True
        )
        return found

    assert (of_bias(True) == 0).all()
    if unit == "probability" or num_classes > 2:
        assert of_bias(False).abs().max() > 1e-4


def test_a_held_factor_sends_nothing_to_any_bias_of_a_relu_network():
    network = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)).double()
    z = torch.rand(6, 5, dtype=torch.double)
    biases = [parameter for name, parameter in network.named_parameters() if "bias" in name]
    for hold_factor in (True, False):
        gradient = model_input_gradient(network, z, 3, hold_factor=hold_factor)
        of_biases = torch.autograd.grad(gradient.square().sum(), biases, allow_unused=True, materialize_grads=True)
        assert all((part == 0).all() for part in of_biases) == hold_factor


class _Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        return 2 * ctx.saved_tensors[0] * gradient


@pytest.mark.parametrize("hold_factor", [False, True])
def test_a_part_without_a_second_derivative_is_an_error_in_the_backward_pass(hold_factor):
    linear = nn.Linear(5, 2)
    gradient = model_input_gradient(lambda x: _Once.apply(linear(x)), torch.rand(3, 5), 2, hold_factor=hold_factor)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        gradient.square().sum().backward()
