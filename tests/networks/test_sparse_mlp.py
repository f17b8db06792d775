import pytest
import torch
from torch import nn
from toy import toy_batch

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.functional.gradients import model_input_gradient
from lol_lightning.networks import SparseMLP, SplitNetwork, as_input


def test_sparse_and_dense_rows_give_the_same_logits():
    network = SparseMLP(30, 3).eval()
    torch.testing.assert_close(network(toy_batch().features), network(toy_batch(sparse=False).features))


def test_stored_values_count():
    network, rows = SparseMLP(30, 3).eval(), toy_batch().features
    rows.values = torch.rand(len(rows.indices))
    torch.testing.assert_close(network(rows), network(rows.to_dense()))


def test_it_is_the_multilayer_perceptron_of_plain_linear_layers():
    network = SparseMLP(30, 3, hidden_sizes=(8, 4), dropout=0.0)
    plain = nn.Sequential(nn.Linear(30, 8), nn.ReLU(), nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 3))
    with torch.no_grad():
        plain[0].weight.copy_(network.weight.T)
        plain[0].bias.copy_(network.bias)
        for mine, theirs in ((2, 2), (5, 4)):
            plain[theirs].load_state_dict(network.tail[mine].state_dict())
    x = torch.rand(5, 30)
    torch.testing.assert_close(network(x), plain(x))


def test_chain_through_the_first_layer_equals_the_gradient_at_the_input():
    network, z = SparseMLP(30, 3).double().eval(), toy_batch(sparse=False).features[:6].double()
    hidden = model_input_gradient(network.rest, network.first_layer(z), 3)
    torch.testing.assert_close(hidden @ network.weight.T, model_input_gradient(network, z, 3))


def test_row_sparse_gradient_equals_the_dense_one():
    rows = toy_batch().features
    gradients = []
    for sparse_grad in (True, False):
        torch.manual_seed(1)
        network = SparseMLP(30, 3, dropout=0.0, sparse_grad=sparse_grad)
        network(rows).square().sum().backward()
        assert network.weight.grad.is_sparse == sparse_grad
        gradients.append(network.weight.grad.to_dense())
    torch.testing.assert_close(*gradients)


def test_protocol_tells_split_networks_from_others():
    assert isinstance(SparseMLP(4, 2), SplitNetwork)
    assert not isinstance(nn.Linear(4, 2), SplitNetwork)


@pytest.mark.parametrize("sizes", [(), (0,), (8, -1)])
def test_hidden_sizes_must_be_positive(sizes):
    with pytest.raises(ConfigurationError, match="hidden_sizes"):
        SparseMLP(4, 2, hidden_sizes=sizes)


def test_one_class_is_refused():
    with pytest.raises(ConfigurationError, match="num_classes = 1"):
        SparseMLP(4, 1)


@pytest.mark.parametrize("sparse", [True, False])
def test_rows_of_another_width_are_refused(sparse):
    with pytest.raises(DataError, match="features have 30 columns and the model was built for 7"):
        as_input(SparseMLP(7, 2), toy_batch(sparse=sparse).features)
