import copy

import pytest
import torch
from torch import nn
from toy import NUM_CLASSES, NUM_FEATURES, toy_batch, toy_targets

from lol_lightning.exceptions import ConfigurationError, TargetsError
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.gradients import model_input_gradient
from lol_lightning.losses.penalties.smoothed_model import SmoothedModel, evaluation_mode
from lol_lightning.networks.sparse_mlp import SparseMLP


class Plain(nn.Module):
    """The same network without the protocol."""

    def __init__(self, network):
        super().__init__()
        self.inner = network

    def forward(self, x):
        return self.inner(x)


def gradient_of(smoothed, network, targets, rows, step):
    return smoothed.logits_and_gradient(network, targets, rows, step)[1]


@pytest.mark.parametrize("phi", [0.2, "document-frequency", "data"])
@pytest.mark.parametrize("sparse", [True, False])
def test_split_and_plain_networks_have_the_same_gradient(phi, sparse):
    network, batch = SparseMLP(NUM_FEATURES, NUM_CLASSES).double(), toy_batch(sparse=sparse)
    if not sparse:
        batch.features = batch.features.double()
    smoothed = SmoothedModel(phi, seed=3)
    fast = gradient_of(smoothed, network, batch.gradient_targets, batch.features, step=4)
    dense = batch.features.to_dense(torch.double) if sparse else batch.features
    plain = gradient_of(smoothed, Plain(network), batch.gradient_targets, dense, step=4)
    torch.testing.assert_close(fast, plain, rtol=1e-6, atol=1e-9)


def test_parameter_gradients_of_both_paths_agree():
    network, batch = SparseMLP(NUM_FEATURES, NUM_CLASSES).double(), toy_batch()
    smoothed, dense = SmoothedModel(), batch.features.to_dense(torch.double)
    for parameter in network.parameters():
        assert parameter.grad is None
    fast = gradient_of(smoothed, network, batch.gradient_targets, batch.features, 0).square().sum()
    plain = gradient_of(smoothed, Plain(network), batch.gradient_targets, dense, 0).square().sum()
    parameters = list(network.parameters())[:-1]
    for ours, theirs in zip(torch.autograd.grad(fast, parameters), torch.autograd.grad(plain, parameters), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-12)


def test_gradient_is_measured_in_units_of_the_feature_scale():
    targets = toy_targets()
    scale = torch.linspace(0.5, 2.0, NUM_FEATURES)
    scaled = GradientTargets(
        targets.lf, targets.cls, targets.feature, targets.value, 5, 3, NUM_FEATURES, targets.document_frequency, scale
    )
    network, batch = SparseMLP(NUM_FEATURES, NUM_CLASSES).eval(), toy_batch(sparse=False)
    smoothed = SmoothedModel(phi=0.3)
    samples = smoothed._samples(scaled, batch.features, 0)
    assert set(samples.unique().tolist()) <= {0.0, *scale.tolist()}
    expected = model_input_gradient(network, samples, 3)[:, targets.features] * scale[targets.features]
    torch.testing.assert_close(gradient_of(smoothed, network, scaled, batch.features, 0), expected)


def test_samples_depend_on_seed_and_step_alone():
    network, batch = SparseMLP(NUM_FEATURES, NUM_CLASSES), toy_batch()

    def at(seed, step):
        torch.rand(3)
        return gradient_of(SmoothedModel(seed=seed), network, batch.gradient_targets, batch.features, step)

    assert at(0, 1).equal(at(0, 1))
    assert not at(0, 1).equal(at(0, 2))
    assert not at(0, 1).equal(at(1, 1))


def test_dropout_and_batch_norm_are_in_evaluation_mode_for_samples_alone():
    network = nn.Sequential(nn.Linear(NUM_FEATURES, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, NUM_CLASSES))
    network[2].eval()
    batch = toy_batch(sparse=False)
    twin = copy.deepcopy(network)
    twin(batch.features)
    gradient = gradient_of(SmoothedModel(), network, batch.gradient_targets, batch.features, 0)
    # The batch alone moved the running statistics, before the samples were differentiated with them.
    assert network[1].running_mean.equal(twin[1].running_mean)
    assert [part.training for part in network] == [True, True, False, True]
    samples = SmoothedModel()._samples(batch.gradient_targets, batch.features, 0)
    expected = model_input_gradient(twin.eval(), samples, NUM_CLASSES)[:, batch.gradient_targets.features]
    torch.testing.assert_close(gradient, expected)


def test_evaluation_mode_is_left_after_an_error():
    network = nn.Dropout()

    def fail():
        with evaluation_mode(network):
            assert not network.training
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert network.training


def test_document_frequency_must_be_known():
    targets = GradientTargets.from_entries([(0, 0, 0, 1.0)], 1, NUM_CLASSES, NUM_FEATURES)
    network, rows, smoothed = SparseMLP(NUM_FEATURES, NUM_CLASSES), toy_batch().features, SmoothedModel()
    with pytest.raises(TargetsError, match="document_frequency"):
        gradient_of(smoothed, network, targets, rows, 0)


def test_fixed_samples_are_the_same_in_every_step():
    network, batch = SparseMLP(NUM_FEATURES, NUM_CLASSES), toy_batch()
    smoothed = SmoothedModel(sampling="fixed")
    first, later = (gradient_of(smoothed, network, batch.gradient_targets, batch.features, step) for step in (0, 99))
    assert first.equal(later)


def test_an_unknown_sampling_is_named():
    with pytest.raises(ConfigurationError, match="sampling = 'sobol'; use one of stratified, independent, fixed"):
        SmoothedModel(sampling="sobol")


@pytest.mark.parametrize(("phi", "num_samples"), [(0.0, 1), (1.5, 1), ("words", 1), (0.1, 0)])
def test_options_out_of_range_are_named(phi, num_samples):
    with pytest.raises(ConfigurationError, match=f"{phi}|num_samples = 0"):
        SmoothedModel(phi, num_samples)
