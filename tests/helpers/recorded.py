"""Fifty training steps from fixed weights on fixed batches, for each kind of penalty: the recipe of recorded losses."""

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn

K, D, M, B, STEPS = 3, 30, 5, 16, 50
LISTS = {
    "lf_weights": [1.0, 2.0, 0.5, 1.5, 1.0],
    "penalty_weights": [1.0, 0.0, 2.0, 1.0, 0.5],
    "class_weights": [0.5, 1.0, 2.0],
}

UNITS, HINGES = ("probability", "log-odds"), ("square", "linear", "exponential")
PAPER = {"reduction": "sum", "factors": "votes"}
CASES = {
    **{f"{u} {h}": {"unit": u, "hinge": h} for u in UNITS for h in HINGES},
    **{f"{u} {h} paper": {"unit": u, "hinge": h, **PAPER} for u in UNITS for h in HINGES},
    **{f"{u} two classes": {"unit": u, "classes": 2} for u in UNITS},
    **{f"{u} own network": {"unit": u, "network": "own"} for u in UNITS},
    **{f"{u} {h} rows": {"unit": u, "hinge": h, "targets": "rows"} for u in UNITS for h in HINGES},
    **{f"{u} {h} rows paper": {"unit": u, "hinge": h, "targets": "rows", **PAPER} for u in UNITS for h in HINGES},
    "independent": {"sampling": "independent"},
    "fixed": {"sampling": "fixed"},
    "phi": {"phi": 0.1},
    "data": {"phi": "data"},
    "every": {"every": 3},
    "warmup": {"warmup": 10},
    "weights": LISTS,
    "soft votes": {"votes": "soft"},
    "simple": {"method": "lol-simple"},
}


def initialise(network):
    """Set every weight by its place alone."""
    for place, parameter in enumerate(network.parameters()):
        generator = torch.Generator().manual_seed(place)
        drawn = torch.randn(parameter.shape, generator=generator, dtype=torch.double)
        parameter.data = 0.3 * drawn


def own_network(classes):
    return nn.Sequential(nn.Linear(D, 8), nn.Tanh(), nn.Linear(8, classes))


def make_batches(case, batch_class, rows_class, gradient_targets, example_targets):
    """Five batches of 16 rows; the classes are arguments, so that any version of the package can be recorded."""
    classes = case.get("classes", K)
    generator = torch.Generator().manual_seed(1)
    dense = torch.bernoulli(torch.linspace(0.4, 0.05, D).expand(5 * B, -1), generator=generator)
    votes = torch.where(dense[:, :M] > 0, torch.arange(M) % classes, -1)
    if case.get("votes") == "soft":
        drawn = torch.rand(len(votes), M, classes, generator=generator, dtype=torch.double)
        votes = drawn / drawn.sum(-1, keepdim=True) * (votes != -1).unsqueeze(-1)
    entries = [(lf, (lf + k) % classes, lf + 2 * k, v) for lf in range(M - 1) for k, v in ((0, 1.0), (1, -0.4))]
    shared = gradient_targets.from_entries(entries, M, classes, D, torch.linspace(0.4, 0.05, D))
    shared.value = shared.value.double()
    for part in range(5):
        rows = slice(part * B, (part + 1) * B)
        if case.get("targets") == "rows":
            index = torch.rand(B, M, D, generator=generator).argsort(-1)[..., :4]
            value = torch.randn(B, M, 4, generator=generator).half()
            own = example_targets(index.short(), value, D, unit=case.get("unit", "probability"))
            yield batch_class(dense[rows].double(), votes[rows], example_targets=own)
        elif case.get("network") == "own" or case.get("phi") == "dense":
            yield batch_class(dense[rows].double(), votes[rows], shared)
        else:
            features = rows_class.from_csr(sp.csr_array(dense[rows].numpy().astype(np.float32)))
            yield batch_class(features, votes[rows], shared)
