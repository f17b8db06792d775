"""The pooled alternatives of a rule against the enumeration of all word sets."""

import itertools
import random

import numpy as np
import pytest
import torch

from lol_lightning.features.alternatives import Alternatives
from lol_lightning.features.mapped import MappedFeature
from lol_lightning.features.vocabulary import FeatureMatch
from lol_lightning.features.vote_rates import VoteRate
from lol_lightning.functional.exact_gradient import any_of_all, exact_gradient
from lol_lightning.lfs.record import InspectedFeature


def mapped(clauses):
    """Features of ``[{group: [parts of a feature, ...]}, ...]``; a group below 0 is forbidden."""
    return [
        MappedFeature(
            0,
            InspectedFeature(
                f"term{clause}{group}{i}", 1, value=1.0 if group >= 0 else -1.0, clause=clause, group=group
            ),
            FeatureMatch(tuple(map(tuple, parts)), "mapped"),
        )
        for clause, groups in enumerate(clauses)
        for group, features in groups.items()
        for i, parts in enumerate(features)
    ]


def votes(sets, clauses):
    return torch.stack([_clause(sets, groups) for groups in clauses]).any(0)


def _clause(sets, groups):
    return torch.stack([_group(sets, features) == (group >= 0) for group, features in groups.items()]).all(0)


def _group(sets, features):
    return torch.stack([torch.stack([sets[:, list(p)].any(1) for p in parts]).all(0) for parts in features]).any(0)


def by_enumeration(clauses, number, place, entry, phi):
    """E[lf(x with j) - lf(x without j)] among the sets that hold the rest of the rule, from the definition."""
    of_groups = [(c, g, features) for c, groups in enumerate(clauses) for g, features in groups.items()]
    clause, group, parts = [(c, g, parts) for c, g, features in of_groups for parts in features][number]
    codes = torch.arange(2 ** len(phi)).unsqueeze(-1)
    sets = (codes >> torch.arange(len(phi))) % 2 == 1
    chance = torch.where(sets, phi, 1 - phi)
    chance[:, entry] = 1.0
    chance = chance.prod(1)
    rest = _clause(sets, {g: f for g, f in clauses[clause].items() if g != group}) if len(clauses[clause]) > 1 else None
    for j, part in enumerate(parts):
        if j != place:
            holds = sets[:, list(part)].any(1)
            rest = holds if rest is None else rest & holds
    given = torch.ones(len(sets), dtype=torch.bool) if rest is None else rest
    with_j, without_j = sets.clone(), sets.clone()
    with_j[:, entry], without_j[:, entry] = True, False
    change = votes(with_j, clauses).double() - votes(without_j, clauses).double()
    keep = given & ~sets[:, entry]
    return float((change * chance)[keep].sum() / chance[keep].sum())


def check(clauses, seed=0):
    size = 1 + max(e for groups in clauses for fs in groups.values() for ps in fs for p in ps for e in p)
    phi = torch.rand(size, dtype=torch.double, generator=torch.Generator().manual_seed(seed)) * 0.8
    features = mapped(clauses)
    alternatives = Alternatives(features, phi.numpy(), {})
    for number, one in enumerate(features):
        for place, part in enumerate(one.match.parts):
            for entry, factor in alternatives.factors(number, place).items():
                assert entry in part
                exact = by_enumeration(clauses, number, place, entry, phi)
                assert one.feature.value * factor == pytest.approx(exact, abs=1e-9), (one, entry)


def random_clauses(rng):
    """Clauses of groups of features of parts of entries, no entry twice, with at most 12 entries."""
    fresh = itertools.count()
    clauses = []
    for _ in range(rng.randint(1, 3)):
        groups = {}
        for group in range(rng.randint(1, 2)):
            groups[group] = [[[next(fresh)] for _ in range(rng.choice([1, 1, 2]))] for _ in range(rng.randint(1, 2))]
            groups[group][0][0].append(next(fresh))
        if rng.random() < 0.3:
            groups[-1] = [[[next(fresh)]]]
        clauses.append(groups)
    return clauses if next(fresh) <= 12 else random_clauses(rng)


@pytest.mark.parametrize("seed", range(60))
def test_rules_without_shared_words_are_exact(seed):
    check(random_clauses(random.Random(seed)), seed)


@pytest.mark.parametrize(
    "clauses",
    [
        [{0: [[[0, 1]]]}, {0: [[[1, 2]]]}],  # two lists of words with one in common
        [{0: [[[0]]], 1: [[[1]]]}, {0: [[[0]]], 1: [[[2]]]}],  # check.*out | check.*this
        [{0: [[[0]]], 1: [[[1]]]}, {0: [[[1]]]}],  # check.*out | out
        [{0: [[[0]]], 1: [[[1]]]}, {0: [[[0, 2]]]}],
        [{0: [[[0], [1]], [[0], [2]]]}],  # "north korea", "north sea"
        [{0: [[[0]]], -1: [[[1]]]}, {0: [[[2]]]}],  # good(?! grief) | fine
        [{0: [[[0]]], -1: [[[1]]]}, {0: [[[1]]]}],  # good(?! grief) | grief
    ],
)
def test_words_that_clauses_share_are_not_counted_twice(clauses):
    check(clauses)


def test_one_list_and_its_words_in_lists_of_their_own_are_the_same():
    phi = torch.tensor([0.1, 0.2, 0.4], dtype=torch.double)
    exact = exact_gradient(any_of_all([[[0, 1, 2]]]), phi).tolist()
    for clauses in ([{0: [[[0, 1, 2]]]}], [{0: [[[0], [1]][:1]]}, {0: [[[1]]]}, {0: [[[2]]]}]):
        found = {}
        alternatives = Alternatives(features := mapped(clauses), phi.numpy(), {})
        for number in range(len(features)):
            found |= alternatives.factors(number, 0)
        assert [found[j] for j in range(3)] == pytest.approx(exact)


def test_alternatives_count_by_their_rates():
    features = mapped([{0: [[[0, 1]]]}, {0: [[[2]]]}])
    rates = {0: VoteRate({(0, 0): 1.0, (0, 1): 0.5}, 0.7, 9, 7), 1: VoteRate({(0, 2): 0.0}, 0.0, 9, 0)}
    alternatives = Alternatives(features, np.array([0.1, 0.2, 0.4]), rates)
    assert alternatives.factors(0, 0) == pytest.approx({0: 1 - 0.5 * 0.2, 1: 1 - 0.1})
    assert alternatives.factors(1, 0) == pytest.approx({2: (1 - 0.1) * (1 - 0.5 * 0.2)})


def test_a_clause_of_which_a_group_is_not_in_the_space_is_no_alternative():
    features = mapped([{0: [[[0]]]}, {0: [[[1]]], 1: [[]]}])
    alternatives = Alternatives(features, np.array([0.1, 0.2]), {})
    assert alternatives.factors(0, 0) == {0: 1.0}
    assert alternatives.factors(1, 0) == pytest.approx({1: 0.9})
