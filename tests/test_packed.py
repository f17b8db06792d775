from contextlib import suppress

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lol_lightning._files.packed import pack, unpack
from lol_lightning.exceptions import DataError

STATE = {
    "b": [1, 2.5, None, "ä\n"],
    "a": {"t": torch.arange(6.0).view(2, 3), "e": torch.zeros(0, 4, dtype=torch.int64)},
}


def test_a_state_comes_back_and_equal_states_have_equal_bytes():
    packed = pack(STATE)
    assert packed.dtype == torch.uint8
    again = unpack(packed)
    assert again["b"] == STATE["b"]
    torch.testing.assert_close(again["a"], STATE["a"])
    assert pack(dict(reversed(STATE.items()))).equal(packed)


@pytest.mark.parametrize("value", [float("nan"), torch.tensor([1.0, float("inf")]), {1: 2}, object(), {2}])
def test_what_cannot_be_kept_is_named(value):
    with pytest.raises(DataError):
        pack({"value": value})


@given(st.integers(0, 10**6), st.integers(0, 255), st.booleans())
@settings(max_examples=300, deadline=None)
def test_broken_bytes_end_in_an_error_of_ours(place, byte, cut):
    packed = pack(STATE)
    place %= len(packed)
    broken = packed[:place] if cut else packed.index_fill(0, torch.tensor([place]), byte)
    with suppress(DataError):
        assert isinstance(unpack(broken), dict)


@pytest.mark.parametrize("other", [None, {}, torch.zeros(3), torch.zeros(2, 2, dtype=torch.uint8)])
def test_what_is_no_tensor_of_bytes_is_refused(other):
    with pytest.raises(DataError, match="no tensor of bytes"):
        unpack(other)
