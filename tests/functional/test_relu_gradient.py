import pytest
import torch
from torch import nn

from lol_lightning.functional.gradients import model_input_gradient
from lol_lightning.functional.relu_gradient import relu_network_gradient


@pytest.mark.parametrize("hold_factor", [False, True])
@pytest.mark.parametrize("unit", ["probability", "log-odds"])
@pytest.mark.parametrize("num_classes", [2, 3, 10])
@pytest.mark.parametrize("widths", [(8,), (8, 5), (8, 5, 4)])
def test_closed_form_and_its_backward_pass_equal_autograds(widths, num_classes, unit, hold_factor):
    layers = [nn.Linear(a, b) for a, b in zip(widths, [*widths[1:], num_classes], strict=True)]
    network = nn.Sequential(*(part for layer in layers for part in (nn.ReLU(), layer))).double()
    z = torch.randn(6, widths[0], dtype=torch.double, requires_grad=True)
    weights = torch.randn(num_classes, widths[0], dtype=torch.double)

    def closed_form():
        return relu_network_gradient(z, [(layer.weight, layer.bias) for layer in layers], unit, hold_factor)

    results = []
    for gradient in (
        closed_form(),
        model_input_gradient(network, z, num_classes, unit=unit, hold_factor=hold_factor),
    ):
        scalar = (gradient * weights).sum().square()
        # The last bias moves probabilities alone, the others nothing but which units are open: both must agree.
        parts = torch.autograd.grad(scalar, [z, *network.parameters()], allow_unused=True, materialize_grads=True)
        results.append([gradient, *parts])
    torch.testing.assert_close(*results)
    assert results[0][2].abs().sum() > 0
    if hold_factor:
        assert all((part == 0).all() for part in results[0][3::2])
