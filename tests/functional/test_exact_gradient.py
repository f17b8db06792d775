"""Enumeration against the loop over word sets, the closed forms and the derivative of the expectation."""

import random

import oracles
import pytest
import torch

from lol_lightning.exceptions import TargetsError
from lol_lightning.functional.exact_gradient import any_of_all, at_least, exact_gradient
from lol_lightning.functional.smoothing import (
    all_of_gradient,
    any_of_gradient,
    keyword_gradient,
    weighted_gradient,
)


def chances(size, seed=0):
    return torch.rand(size, dtype=torch.double, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [1, 2, 5, 9])
def test_any_all_and_threshold_are_the_closed_forms(size):
    phi = chances(size, size)
    phi[0] = float(size % 2)
    words = list(range(size))
    torch.testing.assert_close(exact_gradient(any_of_all([[words]]), phi), any_of_gradient(phi))
    torch.testing.assert_close(exact_gradient(any_of_all([[[j]] for j in words]), phi), any_of_gradient(phi))
    torch.testing.assert_close(exact_gradient(any_of_all([[[j] for j in words]]), phi), all_of_gradient(phi))
    torch.testing.assert_close(exact_gradient(any_of_all([[[0]]]), phi)[:1], keyword_gradient(phi[:1]))
    weights = torch.randn(size, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    for threshold in (-0.3, 0.0, 0.7):
        exact = exact_gradient(at_least(weights, threshold), phi)
        torch.testing.assert_close(exact, weighted_gradient(weights, threshold, phi))


def random_rule(rng, size):
    def some(most):
        return rng.sample(range(size), rng.randint(1, most))

    clauses = [[some(3) for _ in range(rng.randint(1, 3))] for _ in range(rng.randint(1, 4))]
    return clauses, [some(2) if rng.random() < 0.4 else [] for _ in clauses]


def holds(x, clauses, forbidden):
    return any(
        all(any(x[j] for j in group) for group in groups) and not any(x[j] for j in words)
        for groups, words in zip(clauses, forbidden, strict=True)
    )


@pytest.mark.parametrize("seed", range(20))
def test_nested_rules_are_the_loop_over_word_sets(seed):
    rng = random.Random(seed)
    clauses, forbidden = random_rule(rng, 6)
    phi = chances(6, seed)
    exact = exact_gradient(any_of_all(clauses, forbidden), phi)
    loop = oracles.smoothed_gradient(lambda x: holds(x, clauses, forbidden), phi.tolist())
    torch.testing.assert_close(exact, loop.double(), atol=1e-6, rtol=1e-5)
    assert exact.abs().max() <= 1


def test_any_function_of_word_sets_is_a_rule():
    # "an even number of words" is no any, no all and no threshold
    phi = torch.tensor([0.1, 0.6, 0.5, 0.9], dtype=torch.double, requires_grad=True)
    (autograd,) = torch.autograd.grad(0.5 + 0.5 * (1 - 2 * phi).prod(), phi)
    exact = exact_gradient(lambda sets: sets.sum(1) % 2 == 0, phi.detach())
    torch.testing.assert_close(exact, autograd)


def test_twenty_words_are_enumerated_and_more_are_refused():
    phi = torch.full((20,), 0.05)
    torch.testing.assert_close(exact_gradient(any_of_all([[range(20)]]), phi), any_of_gradient(phi))
    for size in (0, 21):
        with pytest.raises(TargetsError, match=f"W = {size} is not from 1 to 20"):
            exact_gradient(any_of_all([]), torch.full((size,), 0.5))


def test_a_rule_that_does_not_answer_for_each_set_is_refused():
    with pytest.raises(TargetsError, match=r"shape \(8, 3\) to 8 sets"):
        exact_gradient(lambda sets: sets, torch.full((3,), 0.5))
