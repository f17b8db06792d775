import oracles
import pytest
import torch

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
