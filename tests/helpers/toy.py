"""A small problem that tests share: sparse rows, votes, targets and batches of them; and votes to weigh."""

import numpy as np
import scipy.sparse as sp
import torch

from lol_lightning.data.batch import LoLBatch, SparseRows
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.losses.weights import LabeledVotes

NUM_ROWS, NUM_FEATURES, NUM_CLASSES, NUM_LFS = 64, 30, 3, 5


def toy_targets(num_features=NUM_FEATURES, num_classes=NUM_CLASSES):
    """LF i asks for feature i, and speaks for class i modulo K; the last LF asks for nothing."""
    entries = [(lf, lf % num_classes, lf, 1.0) for lf in range(NUM_LFS - 1)]
    frequency = torch.linspace(0.4, 0.05, num_features)
    return GradientTargets.from_entries(entries, NUM_LFS, num_classes, num_features, frequency)


def toy_problem(num_rows=NUM_ROWS, num_features=NUM_FEATURES, num_classes=NUM_CLASSES, seed=0):
    """Rows of 0/1 features, votes of ``toy_targets``'s LFs and labels.

    Each row has one of the features that the LFs ask for, which makes its label; the last LF votes at random.
    """
    generator = torch.Generator().manual_seed(seed)
    chance = torch.linspace(0.4, 0.05, num_features).expand(num_rows, -1)
    dense = torch.bernoulli(chance, generator=generator)
    asked = torch.randint(NUM_LFS - 1, (num_rows,), generator=generator)
    dense[:, : NUM_LFS - 1] = torch.nn.functional.one_hot(asked, NUM_LFS - 1).to(dense.dtype)
    labels = asked % num_classes
    votes = torch.where(dense[:, :NUM_LFS] > 0, torch.arange(NUM_LFS) % num_classes, -1)
    votes[:, -1] = torch.randint(-1, num_classes, (num_rows,), generator=generator)
    return dense, votes, labels


def assert_same_loss(loss, expected, network):
    """Two losses are equal, and so are their gradients in the weights of a network."""
    torch.testing.assert_close(loss, expected)
    for ours, theirs in zip(
        torch.autograd.grad(loss, list(network.parameters())),
        torch.autograd.grad(expected, list(network.parameters())),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


def toy_batch(sparse=True, rows=slice(None), labeled=False, **options):
    dense, votes, labels = toy_problem(**options)
    dense, votes, labels = dense[rows], votes[rows], labels[rows]
    features = SparseRows.from_csr(sp.csr_array(dense.numpy())) if sparse else dense
    targets = toy_targets(dense.shape[1], options.get("num_classes", NUM_CLASSES))
    return LoLBatch(features, votes, targets, labels if labeled else None)


def loader(*batches):
    """A real DataLoader over ready batches."""
    return torch.utils.data.DataLoader(list(batches), batch_size=None)


def trainer_options(**changes):
    """Options of a Trainer that writes nothing."""
    return {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        **changes,
    }


def draw_votes(tables, balance, num_rows, seed=0):
    """Labels and votes of LFs that are independent given the class, as every label model assumes.

    ``tables[i, k, j]`` is the chance that LF i votes j where the class is k; the last j, K, abstains.
    """
    rng = np.random.default_rng(seed)
    num_classes = len(balance)
    labels = rng.choice(num_classes, num_rows, p=balance)
    bounds = np.asarray(tables)[:, labels].cumsum(2)
    said = (rng.random((len(tables), num_rows, 1)) > bounds[..., :-1]).sum(2).T
    return labels, np.where(said == num_classes, -1, said)


def symmetric_tables(accuracies, coverages, num_classes):
    """Tables of LFs that vote equally often in every class, and err equally on all."""
    tables = []
    for accuracy, coverage in zip(accuracies, coverages, strict=True):
        confusion = np.full((num_classes, num_classes), (1 - accuracy) / (num_classes - 1))
        np.fill_diagonal(confusion, accuracy)
        tables.append(np.hstack([coverage * confusion, np.full((num_classes, 1), 1 - coverage)]))
    return np.array(tables)


def noisy_votes():
    """Votes of four LFs that are right in 95 to 50 of 100 votes; a quarter of the rows is labeled."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 400)
    accuracy = np.array([0.95, 0.8, 0.6, 0.5])
    right = generator.random((400, 4)) < accuracy
    votes = np.where(right, labels[:, None], 1 - labels[:, None])
    votes[generator.random((400, 4)) < [0.1, 0.2, 0.3, 0.4]] = -1
    return LabeledVotes(votes, 2, votes[:100], labels[:100])
