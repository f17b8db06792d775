import html
import re

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch.utils.data import DataLoader

from lol_lightning.data.batch import SparseRows
from lol_lightning.data.dataset import LoLDataset
from lol_lightning.data.loader import LoLDataLoader, identity
from lol_lightning.exceptions import DataError
from lol_lightning.functional.gradient_targets import GradientTargets

N, D, M = 20, 12, 3


@pytest.fixture
def targets():
    return GradientTargets.from_entries([(0, 1, 2, 1.0)], num_lfs=M, num_classes=2, num_features=D)


@pytest.fixture
def dense():
    return np.random.default_rng(0).integers(0, 3, (N, D)).astype(np.float32)


@pytest.fixture
def votes():
    return np.random.default_rng(1).integers(-1, 2, (N, M))


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csr_array, sp.coo_array, torch.tensor, np.asarray])
def test_batch_holds_the_rows_of_an_index(kind, dense, votes, targets):
    labels = np.arange(N) % 2
    batch = LoLDataset(kind(dense), votes, targets, labels).__getitems__([7, 0, 7])
    features = batch.features.to_dense() if isinstance(batch.features, SparseRows) else batch.features
    torch.testing.assert_close(features, torch.from_numpy(dense[[7, 0, 7]]))
    torch.testing.assert_close(batch.votes, torch.from_numpy(votes[[7, 0, 7]]))
    torch.testing.assert_close(batch.labels, torch.tensor([1, 0, 1]))
    assert batch.votes.dtype == torch.int64
    assert batch.gradient_targets is targets


def test_votes_take_one_byte_and_many_classes_more(dense, votes):
    assert LoLDataset(dense, votes).votes.dtype == torch.int8
    many = votes.copy()
    many[3, 1] = 1000
    assert int(LoLDataset(dense, many).__getitems__([3]).votes[0, 1]) == 1000


def test_votes_may_be_probabilities(dense):
    votes = np.full((N, M, 2), 0.5, dtype=np.float32)
    assert LoLDataset(dense, votes).__getitems__([1, 2]).votes.shape == (2, M, 2)


def test_one_row(dense, votes):
    batch = LoLDataset(sp.csr_array(dense), votes)[5]
    torch.testing.assert_close(batch.features.to_dense(), torch.from_numpy(dense[[5]]))
    assert len(batch) == 1


@pytest.mark.parametrize("num_workers", [0, 2])
def test_loader_gives_every_row_once_and_its_own_targets(num_workers, dense, votes, targets):
    dataset = LoLDataset(sp.csr_array(dense), votes, targets)
    loader = LoLDataLoader(dataset, batch_size=6, num_workers=num_workers)
    batches = list(loader)
    assert [len(batch) for batch in batches] == [6, 6, 6, 2]
    torch.testing.assert_close(torch.cat([batch.features.to_dense() for batch in batches]), torch.from_numpy(dense))
    assert all(batch.gradient_targets is targets for batch in batches)


def test_plain_data_loader_works_with_identity(dense, votes, targets):
    batch = next(iter(DataLoader(LoLDataset(dense, votes, targets), batch_size=4, collate_fn=identity)))
    torch.testing.assert_close(batch.features, torch.from_numpy(dense[:4]))
    assert batch.gradient_targets is targets


def test_lengths_must_agree(dense, votes):
    with pytest.raises(DataError, match=r"one row per data point, got .*'features': 20, 'votes': 19"):
        LoLDataset(dense, votes[:-1])
    with pytest.raises(DataError, match="'labels': 3"):
        LoLDataset(dense, votes, labels=np.zeros(3))


def test_votes_of_one_axis_are_refused(dense, votes):
    with pytest.raises(DataError, match=r"shape \(n, m\)"):
        LoLDataset(dense, votes[:, 0])


@pytest.mark.parametrize("kind", [sp.csr_array, np.asarray])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_name_their_row(kind, value, dense, votes):
    dense[13, 4] = value
    with pytest.raises(DataError, match="row 13 holds a feature that is not finite"):
        LoLDataset(kind(dense), votes)


@pytest.mark.parametrize("kind", [sp.csr_array, np.asarray])
def test_a_dataset_on_a_device_cuts_the_same_batches_there(kind, dense, votes, targets):
    dataset = LoLDataset(kind(dense), votes, targets, np.arange(N) % 2)
    moved = dataset.to("meta")
    batch = moved.__getitems__([3, 4])
    assert {batch.votes.device.type, batch.features.device.type, batch.labels.device.type} == {"meta"}
    assert batch.gradient_targets.value.device.type == "meta"
    assert batch.features.shape == (2, D)
    assert dataset.votes.device.type == "cpu"


def test_rows_are_counted_from_the_end_and_none_lies_beyond(dense, votes):
    dataset = LoLDataset(sp.csr_array(dense), votes)
    torch.testing.assert_close(dataset[-1].features.to_dense(), torch.from_numpy(dense[[-1]]))
    with pytest.raises(IndexError):
        dataset[N]


def cells(table):
    """Return the rows of an HTML table by the text of their first cell."""
    rows = [re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in re.findall(r"<tr.*?>(.*?)</tr>", table, re.DOTALL)]
    return {row[0]: row[1:] for row in rows if row}


def test_a_notebook_shows_what_is_in_it(dense, votes, targets):
    votes[:5] = -1
    dataset = LoLDataset(sp.csr_array(dense), votes, targets, np.arange(N) % 2)
    shown = cells(dataset._repr_html_())
    assert shown["features"] == [f"({N}, {D})", f"sparse, {np.count_nonzero(dense)} entries"]
    covered = 100 * (votes != -1).any(1).mean()
    assert shown["votes"] == [f"({N}, {M})", f"int8, {covered:.3g}% of the rows covered"]
    assert shown["labels"] == [f"({N},)", "int64, 2 classes"]
    assert shown["gradient_targets"] == ["", html.escape(repr(targets), quote=False)]
    assert shown["example_targets"] == ["", "none"]
    assert cells(LoLDataset(dense, votes)._repr_html_())["features"] == [f"({N}, {D})", "float32"]
