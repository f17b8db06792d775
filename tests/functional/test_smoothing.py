import oracles
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lol_lightning.exceptions import TargetsError
from lol_lightning.functional.smoothing import (
    SAMPLERS,
    all_of_gradient,
    any_of_gradient,
    bernoulli_rows,
    keyword_gradient,
    weighted_gradient,
)

PHI = torch.tensor([0.3, 0.05, 0.8, 0.0, 1.0])


@pytest.mark.parametrize(
    ("gradient", "lf"),
    [
        (keyword_gradient(PHI[:1]), lambda x: x[0]),
        (any_of_gradient(PHI[:4]), lambda x: any(x)),
        (all_of_gradient(PHI[:3]), lambda x: all(x)),
        (any_of_gradient(PHI), lambda x: any(x)),
        (all_of_gradient(PHI), lambda x: all(x)),
        (
            weighted_gradient(torch.tensor([2.0, -1.5, 1.0, 0.25, -0.5]), 1.0, PHI),
            lambda x: 2 * x[0] - 1.5 * x[1] + x[2] + 0.25 * x[3] - 0.5 * x[4] >= 1,
        ),
    ],
    ids=["keyword", "any", "all", "any-sure", "all-sure", "weighted"],
)
def test_exact_gradients_match_the_sum_over_word_sets(gradient, lf):
    torch.testing.assert_close(gradient, oracles.smoothed_gradient(lf, PHI[: len(gradient)].tolist()))


def test_gradients_are_derivatives_of_the_expectation():
    phi = torch.tensor([0.2, 0.5, 0.7], requires_grad=True)
    (autograd,) = torch.autograd.grad(1 - (1 - phi).prod(), phi)
    torch.testing.assert_close(any_of_gradient(phi.detach()), autograd)


def test_weighted_lf_with_too_many_words_says_what_to_do():
    with pytest.raises(TargetsError, match="W = 21 is above 20"):
        weighted_gradient(torch.ones(21), 1.0, torch.full((21,), 0.5))


def drawn(sampler, phi, num_samples, num_draws, seed=3):
    """0/1 array (num_draws, t, d)."""
    indices, offsets = SAMPLERS[sampler](phi, num_samples, num_draws, torch.Generator().manual_seed(seed))
    present = torch.zeros(num_draws * num_samples, len(phi))
    present.index_put_((torch.repeat_interleave(offsets.diff()), indices), torch.ones(()), accumulate=True)
    assert present.max() <= 1
    return present.unflatten(0, (num_draws, num_samples))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samples_have_the_chances_asked_for(sampler):
    phi = torch.tensor([0.0, 0.01, 0.5, 0.9, 1.0, 0.2])
    samples = drawn(sampler, phi, num_samples=10, num_draws=3000)
    for place in (0, 4, 9):
        torch.testing.assert_close(samples[:, place].mean(0), phi, atol=0.035, rtol=0)
    torch.testing.assert_close(samples.mean((0, 1)), phi, atol=0.012, rtol=0)
    correlation = torch.corrcoef(samples[..., 2:4].flatten(0, 1).T)[0, 1]
    assert abs(correlation) < 0.03


def test_stratified_samples_share_each_feature_out():
    phi = torch.tensor([0.31, 0.05, 0.8])
    counts = drawn("stratified", phi, num_samples=10, num_draws=500).sum(1)
    assert counts[:, 0].unique().tolist() == [3, 4]
    assert counts[:, 1].unique().tolist() == [0, 1]
    assert counts[:, 2].unique().tolist() == [8]
    independent = drawn("independent", phi, num_samples=10, num_draws=500).sum(1)
    assert (counts.var(0) < independent.var(0)).all()


@pytest.mark.parametrize("num_samples", [10, 100, 1000])
@pytest.mark.parametrize("phi", [(0.5, 0.5, 0.5), (0.3, 0.3, 0.7), (0.02, 0.13, 0.95), (0.004, 0.3, 0.5)])
def test_joint_chances_converge_in_t_at_least_as_with_independent_samples(phi, num_samples):
    phi, num_draws = torch.tensor(phi), 1200
    drawn_of = {name: drawn(name, phi, num_samples, num_draws, seed=11) for name in SAMPLERS}
    for features in ([0, 1], [1, 2], [0, 2], [0, 1, 2]):
        chance = phi[features].double().prod()
        errors = {
            name: (samples[..., features].prod(-1).double().mean(1) - chance).square().mean()
            for name, samples in drawn_of.items()
        }
        # The variance of a mean of t independent samples; its estimate from rare events has noise of its own.
        independent = chance * (1 - chance) / num_samples
        noise = 1 + 4 / (num_draws * min(1.0, num_samples * float(chance))) ** 0.5
        assert errors["stratified"] <= independent * noise
        means = drawn_of["stratified"][..., features].prod(-1).double().mean()
        assert abs(means - chance) <= 5 * (independent / num_draws).sqrt()


def test_stratified_samples_converge_fast_where_features_are_common():
    phi = torch.tensor([0.5, 0.5])
    errors = []
    for num_samples in (10, 100, 1000):
        both = drawn("stratified", phi, num_samples, num_draws=1000).prod(-1).mean(1)
        errors.append(float((both - 0.25).square().mean().sqrt()))
        # Given how many of t samples hold each, the number that hold both is hypergeometric.
        assert errors[-1] == pytest.approx((0.25**2 / (num_samples - 1)) ** 0.5, rel=0.1)
    assert errors[0] > 3 * errors[1] > 9 * errors[2]


@given(
    phi=st.lists(st.one_of(st.sampled_from([0.0, 1.0, 0.5, 0.1]), st.floats(0, 1)), min_size=1, max_size=8),
    num_samples=st.integers(1, 40),
    seed=st.integers(0, 99),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_stratified_samples_share_any_chances_out(phi, num_samples, seed):
    phi = torch.tensor(phi, dtype=torch.double)
    counts = drawn("stratified", phi, num_samples, num_draws=3, seed=seed).sum(1)
    assert (counts >= (phi * num_samples - 1e-9).floor()).all()
    assert (counts <= (phi * num_samples + 1e-9).ceil()).all()


@pytest.mark.parametrize(("phi", "count"), [(0.2, 2), (0.5, 5), (0.9, 9)])
def test_every_set_of_places_is_equally_likely(phi, count):
    samples = drawn("stratified", torch.full((1,), phi, dtype=torch.double), num_samples=10, num_draws=20_000)[..., 0]
    assert samples.sum(1).unique().tolist() == [count]
    together = samples.T @ samples / 20_000
    expected = count * (count - 1) / 90
    torch.testing.assert_close(together[~torch.eye(10, dtype=bool)], torch.full((90,), expected), atol=0.02, rtol=0)


class Largest(TorchDispatchMode):
    """Notes the size of the largest tensor that is made."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.numel = max(
            [self.numel, *(part.numel() for part in tree_leaves(result) if isinstance(part, torch.Tensor))]
        )
        return result


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_many_samples_take_memory_of_their_words(sampler):
    with Largest() as largest:
        indices, _ = SAMPLERS[sampler](torch.full((5000,), 0.01), 1000, 2)
    # A dense array of features and samples would hold a hundred times as many numbers as words are drawn.
    assert largest.numel <= 1.5 * len(indices)


def test_samples_repeat_with_their_seed():
    phi = torch.full((1000,), 0.02)
    first, second = (bernoulli_rows(phi, 5, 1, torch.Generator().manual_seed(7))[0] for _ in range(2))
    other, _ = bernoulli_rows(phi, 5, 1, torch.Generator().manual_seed(8))
    assert first.equal(second)
    assert not first.equal(other)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_no_feature_has_a_chance(sampler):
    indices, offsets = SAMPLERS[sampler](torch.zeros(4), 3)
    assert len(indices) == 0
    assert offsets.tolist() == [0, 0, 0, 0]
