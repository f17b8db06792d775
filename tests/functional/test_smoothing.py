import oracles
import pytest
import torch

from lol_lightning.exceptions import TargetsError
from lol_lightning.functional.smoothing import (
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
    with pytest.raises(TargetsError, match="W = 21 is above 20. Probe"):
        weighted_gradient(torch.ones(21), 1.0, torch.full((21,), 0.5))


def test_samples_have_the_chances_asked_for():
    phi = torch.tensor([0.0, 0.01, 0.5, 0.9, 1.0, 0.2])
    generator = torch.Generator().manual_seed(3)
    size = 20_000
    indices, offsets = bernoulli_rows(phi, size, generator)
    present = torch.zeros(size, len(phi))
    present[torch.repeat_interleave(torch.arange(size), offsets.diff()), indices] += 1
    assert present.max() == 1
    assert len(offsets) == size + 1
    torch.testing.assert_close(present.mean(0), phi, atol=0.012, rtol=0)
    correlation = torch.corrcoef(present[:, 2:4].T)[0, 1]
    assert abs(correlation) < 0.03


def test_samples_repeat_with_their_seed():
    phi = torch.full((1000,), 0.02)
    first, second = (bernoulli_rows(phi, 5, torch.Generator().manual_seed(7))[0] for _ in range(2))
    other, _ = bernoulli_rows(phi, 5, torch.Generator().manual_seed(8))
    assert first.equal(second)
    assert not first.equal(other)


def test_no_feature_has_a_chance():
    indices, offsets = bernoulli_rows(torch.zeros(4), 3)
    assert len(indices) == 0
    assert offsets.tolist() == [0, 0, 0, 0]
