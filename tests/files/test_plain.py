import json

import pytest
import torch
from broken_files import FUZZ, broken
from file_contents import result_or_error
from hypothesis import given
from hypothesis import strategies as st

from lol_lightning._files.plain import check_fields, check_list, parse_json, read_json, write_json
from lol_lightning._files.state import (
    check_tensor,
)
from lol_lightning.exceptions import DataError


class TestJson:
    def test_round_trip(self, tmp_path):
        value = {"a": [1, 2.5, None, True, "ä\ud800[{"], "b": {"": []}}
        write_json(tmp_path / "a.json", value, indent=1)
        assert read_json(tmp_path / "a.json") == value
        (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf[1]")
        assert read_json(tmp_path / "a.json") == [1]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (b'{"a": 1', "Expecting ',' delimiter"),
            (b"", "Expecting value"),
            (b'{"a": NaN}', "it holds the number NaN, which is not finite"),
            (b"[-Infinity]", "it holds the number -Infinity"),
            (b"[1e999]", "it holds the number 1e999"),
            (b'{"row": 1, "b": {}, "row": 2}', "the key 'row' occurs twice"),
            (b"[" * 100_000, "it is nested 100000 levels deep, more than 100"),
            (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "it is nested 100000 levels"),
            (b'["\\"]", ' + b"[" * 200, "it is nested 201 levels"),
            (b"[" + b"9" * 5000 + b"]", "Exceeds the limit"),
            (b'"\xff"', "can't decode byte 0xff"),
            (b"\x00" * 9, "Expecting value"),
        ],
    )
    def test_what_is_no_json(self, tmp_path, text, message):
        (tmp_path / "a.json").write_bytes(text)
        with pytest.raises(DataError, match=rf"a\.json is not JSON: .*{message}.*\. Was it cut\?$"):
            read_json(tmp_path / "a.json", "JSON", "Was it cut?")

    def test_brackets_in_texts_do_not_nest(self):
        assert parse_json(json.dumps(["[" * 500 + '"\\' + "{" * 500]).encode()) == ["[" * 500 + '"\\' + "{" * 500]

    def test_too_large(self, tmp_path):
        (tmp_path / "a.json").write_bytes(b"[1, 2, 3]")
        assert read_json(tmp_path / "a.json", max_bytes=9) == [1, 2, 3]
        with pytest.raises(DataError, match="more than 8 bytes"):
            read_json(tmp_path / "a.json", max_bytes=8)

    @pytest.mark.parametrize("value", [float("nan"), object(), {1: object()}])
    def test_what_cannot_be_written(self, tmp_path, value):
        write_json(tmp_path / "a.json", "old")
        with pytest.raises(DataError, match=r"a\.json cannot be written: the value is no JSON"):
            write_json(tmp_path / "a.json", value)
        assert read_json(tmp_path / "a.json") == "old"


FIELDS = {"a": int, "b": str | None, "c": float | int}


class TestFields:
    def test_right_ones(self):
        assert check_fields({"a": 1, "b": None, "c": 2}, FIELDS, "it") == {"a": 1, "b": None, "c": 2}

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ([], "it is a list, not a mapping"),
            ({"a": 1, "c": 1.0}, "it lacks 'b'"),
            ({"a": 1, "b": "", "c": 1, "d": 1}, "it has 'd', which is not expected"),
            ({"a": True, "b": "", "c": 1}, "it has a = True, not int"),
            ({"a": 1, "b": 2, "c": 1}, r"it has b = 2, not str \| None"),
            ({"a": 1, "b": "", "c": False}, r"it has c = False, not float \| int"),
        ],
    )
    def test_wrong_ones(self, value, message):
        with pytest.raises(DataError, match=message):
            check_fields(value, FIELDS, "it")

    def test_lists(self):
        assert check_list(["a"], str, "it") == ["a"]
        with pytest.raises(DataError, match="it is a tuple, not a list"):
            check_list(("a",), str, "it")
        with pytest.raises(DataError, match="it has 3 at position 1, not str"):
            check_list(["a", 3], str, "it")

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ([1.0], "it is a list, not a tensor"),
            (torch.ones(2), r"the shape \(2,\), not \(1,\)"),
            (torch.ones(1).int(), "the dtype torch.int32, not a float"),
            (torch.tensor([torch.nan]), "not finite"),
        ],
    )
    def test_tensors(self, value, message):
        with pytest.raises(DataError, match=message):
            check_tensor(value, None, (1,), "it")


@FUZZ
@given(content=broken(json.dumps({"a": [1, 2.5, None, {"b": "text"}], "c": {}}).encode()) | st.binary())
def test_a_broken_json_is_an_error_or_json(content):
    value = result_or_error(read_json, content)
    assert json.loads(json.dumps(value, allow_nan=False)) == value
