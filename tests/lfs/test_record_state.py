import pytest

from lol_lightning.exceptions import DataError, LoLError
from lol_lightning.lfs.record import InspectedFeature, LFRecord
from lol_lightning.lfs.record_state import record_from_state

FEATURE = InspectedFeature("win", 1, "token", 0.5, "probed", std_error=0.1, support=3)
RECORD = LFRecord("spam", (FEATURE,), ("text",), ("a note",))


def changed(**feature):
    state = RECORD.to_dict()
    return {**state, "features": [{**state["features"][0], **feature}]}


def test_a_record_is_read_again_from_lists_and_tuples():
    state = RECORD.to_dict()
    assert record_from_state(state, "LF 0") == RECORD
    as_lists = {name: list(part) if isinstance(part, tuple) else part for name, part in state.items()}
    assert record_from_state(as_lists, "LF 0") == RECORD


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (3, "LF 0 is a int, not a mapping"),
        ({"name": "a"}, "LF 0 lacks 'features'"),
        (changed(more=1), "a feature of LF 0 has 'more'"),
        (changed(label="1"), "label = '1', not int"),
        (changed(label=-1), "label = -1, which is no class"),
        (changed(std_error=float("nan")), "std_error = nan, no number from 0 on"),
        (changed(support=-3), "support = -3, below 0"),
        (changed(value=float("nan")), "value nan of feature 'win' lies outside"),
        ({**RECORD.to_dict(), "columns": [1]}, "columns of LF 0 has 1 at position 0"),
    ],
)
def test_what_is_no_record_is_named(state, message):
    with pytest.raises(LoLError, match=message):
        record_from_state(state, "LF 0")
    assert issubclass(DataError, LoLError)
