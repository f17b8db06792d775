import numpy as np
import pytest
import torch

from lol_lightning.exceptions import DataError
from lol_lightning.features.token_rows import Padding, TokenRows

LISTS = [[7, 8, 9], [4], [5, 6]]


def test_a_batch_is_padded_to_its_longest_row():
    rows = TokenRows.from_lists(LISTS, padding=Padding(1))
    batch = rows.batch(torch.tensor([1, 2]))
    assert batch["input_ids"].tolist() == [[4, 1], [5, 6]]
    assert batch["attention_mask"].tolist() == [[1, 0], [1, 1]]
    assert set(batch) == {"input_ids", "attention_mask"}
    assert all(tensor.dtype == torch.int64 for tensor in batch.values())
    assert rows.ids.dtype == torch.int32
    assert rows.batch()["input_ids"].tolist() == [[7, 8, 9], [4, 1, 1], [5, 6, 1]]


def test_padding_goes_to_the_left_and_to_a_multiple():
    batch = TokenRows.from_lists(LISTS, padding=Padding(0, "left", 4)).batch(torch.tensor([2, 0]))
    assert batch["input_ids"].tolist() == [[0, 0, 5, 6], [0, 7, 8, 9]]
    assert batch["attention_mask"].tolist() == [[0, 0, 1, 1], [0, 1, 1, 1]]


def test_segments_are_kept_where_they_differ():
    assert TokenRows.from_lists(LISTS, [[0, 0, 0], [0], [0, 0]]).type_ids is None
    rows = TokenRows.from_lists(LISTS, [[0, 1, 1], [0], [0, 1]])
    assert rows.batch(torch.tensor([2, 0]))["token_type_ids"].tolist() == [[0, 1, 0], [0, 1, 1]]


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (np.array([2, 0]), [2, 0]),
        (torch.tensor([2, 0]), [2, 0]),
        (np.array([True, False, True]), [0, 2]),
        (slice(1, None), [1, 2]),
        (slice(0, 0), []),
    ],
)
def test_rows_are_selected_as_from_an_array(index, expected):
    rows = TokenRows.from_lists(LISTS, [[0, 1, 1], [0], [0, 1]])[index]
    assert len(rows) == rows.shape[0] == len(expected)
    parts = [rows.ids[start:stop].tolist() for start, stop in zip(rows.offsets, rows.offsets[1:], strict=False)]
    assert parts == [LISTS[i] for i in expected]
    assert len(rows.type_ids) == len(rows.ids)


def test_parts_are_joined():
    first, second = TokenRows.from_lists(LISTS[:1], [[0, 1, 1]]), TokenRows.from_lists(LISTS[1:])
    joined = TokenRows.concatenate([first, second])
    assert joined.batch()["input_ids"].tolist() == TokenRows.from_lists(LISTS).batch()["input_ids"].tolist()
    assert joined.type_ids.tolist() == [0, 1, 1, 0, 0, 0]
    with pytest.raises(DataError, match="cannot be joined"):
        TokenRows.concatenate([first, TokenRows.from_lists(LISTS, padding=Padding(3))])


def test_no_rows_at_all():
    batch = TokenRows.from_lists([]).batch()
    assert batch["input_ids"].shape == (0, 1)
