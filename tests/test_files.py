import io
import json
import os
import pickle
import stat
import subprocess
import sys
import tempfile
import tracemalloc
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from broken_files import FUZZ, broken, broken_members
from hypothesis import given
from hypothesis import strategies as st

from lol_lightning._files.arrays import map_array, read_arrays
from lol_lightning._files.disk import read_bytes, read_text, reading, replacing, write_bytes, write_text
from lol_lightning._files.plain import check_fields, check_list, parse_json, read_json, write_json
from lol_lightning._files.state import (
    check_state,
    check_tensor,
    load_checked,
    read_archive,
    read_tensors,
    write_archive,
    write_tensors,
)
from lol_lightning.exceptions import DataError, TargetsError

STATE = {
    "format": "test 1",
    "numbers": [1, 2.5, None, True, "ä\ud800"],
    "network": {
        "weight": torch.arange(6.0).reshape(2, 3),
        "half": torch.tensor([0.5, 3.0], dtype=torch.bfloat16),
        "count": torch.tensor(3),
        "none": torch.zeros(0, 4, dtype=torch.int32),
        "flags": torch.tensor([True, False]),
    },
    "words": [f"word {i}" for i in range(30)],
}


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
    else:
        assert one == other


@contextmanager
def file_of(content=b""):
    """A path at which a file with some content lies."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "file"
        path.write_bytes(content)
        yield path


def content_of(write, state):
    with file_of() as path:
        write(path, state)
        return path.read_bytes()


def repacked(content, **members):
    """A zip in which some members are others; ``None`` drops one."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    parts = {info.filename: archive.read(info) for info in archive.infolist()}
    parts |= {name.replace("__", "."): part for name, part in members.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        for name, part in parts.items():
            if part is not None:
                out.writestr(name, part)
    return buffer.getvalue()


def npy(array, **header):
    """The bytes of an npy file, perhaps with another header than its array has."""
    buffer = io.BytesIO()
    if header:
        described = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape, **header}
        np.lib.format.write_array_header_1_0(buffer, described)
        return buffer.getvalue() + array.tobytes()
    np.save(buffer, array)
    return buffer.getvalue()


def as_json(value):
    return npy(np.frombuffer(json.dumps(value).encode(), dtype=np.uint8))


ARCHIVE = content_of(write_archive, STATE)
TENSORS = content_of(write_tensors, STATE)
ARRAYS = {"x": np.eye(9, dtype=np.float32), "y": np.arange(9), "names": np.array(["Öl", "b"])}
NPZ = io.BytesIO()
np.savez_compressed(NPZ, **ARRAYS, other=np.array([np.inf]))
NPZ = NPZ.getvalue()
KINDS = {"x": "f", "y": "iu", "names": "SU"}


@pytest.fixture(params=["archive", "tensors"])
def kind(request):
    """Reader and writer of the two files that hold a state."""
    return {"archive": (read_archive, write_archive), "tensors": (read_tensors, write_tensors)}[request.param]


class TestState:
    def test_is_the_same_after_a_round_trip(self, tmp_path, kind):
        read, write = kind
        write(tmp_path / "any.name", STATE)
        assert_same(read(tmp_path / "any.name"), STATE)
        assert [path.name for path in tmp_path.iterdir()] == ["any.name"]

    def test_views_and_parameters_are_written_for_themselves(self, tmp_path, kind):
        read, write = kind
        whole = torch.nn.Parameter(torch.arange(8.0).reshape(2, 4))
        write(tmp_path / "a", {"view": whole[:, 1], "expanded": torch.ones(1).expand(5), "pair": (1, 2)})
        state = read(tmp_path / "a")
        assert_same(state["view"], torch.tensor([1.0, 5.0]))
        assert_same(state["expanded"], torch.ones(5))
        assert state["pair"] == [1, 2]

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (torch.tensor([1.0, torch.nan]), "a.b holds a number that is not finite"),
            (torch.tensor([torch.inf], dtype=torch.bfloat16), "a.b holds a number that is not finite"),
            (float("nan"), "a.b is nan"),
            (object(), "a.b is a object"),
            (np.ones(2), "a.b is a ndarray"),
            (torch.eye(2).to_sparse(), "a.b is a tensor that is not dense"),
            (torch.tensor([1j]), "a.b is a tensor of complex numbers"),
            (torch.ones(2, device="meta"), "a.b is a tensor that is not dense"),
            ({1: 2}, "a.b has the key 1"),
            ({"@tensor": "a"}, "a.b has the key '@tensor'"),
        ],
    )
    def test_what_is_not_plain_is_named_and_not_written(self, tmp_path, kind, value, message):
        path = tmp_path / "file"
        path.write_text("old")
        with pytest.raises(DataError, match=message):
            kind[1](path, {"a": {"b": value}})
        assert path.read_text() == "old"

    def test_tensors_that_may_miss_numbers(self, tmp_path):
        state = {"labelers": {"accuracies": torch.tensor([0.5, torch.nan])}}
        with pytest.raises(DataError, match=r"labelers\.accuracies holds"):
            write_tensors(tmp_path / "a", state)
        write_tensors(tmp_path / "a", state, may_be_nan=["accuracies"])
        with pytest.raises(DataError, match=r"labelers\.accuracies holds"):
            read_tensors(tmp_path / "a")
        assert read_tensors(tmp_path / "a", may_be_nan=["accuracies"])["labelers"]["accuracies"].isnan().any()

    def test_nothing_in_an_archive_is_a_pickle(self):
        assert all(name.endswith(".npy") for name in zipfile.ZipFile(io.BytesIO(ARCHIVE)).namelist())
        with np.load(io.BytesIO(ARCHIVE), allow_pickle=False) as archive:
            assert sorted(archive) == ["json", *(f"tensor_{i}" for i in range(5))]

    def test_lists_that_hold_themselves_end(self):
        endless = [1.0]
        endless.append(endless)
        check_state({"a": endless}, "it")
        laughs = [0.5]
        for _ in range(60):
            laughs = [laughs, laughs]
        check_state({"a": laughs}, "it")
        for _ in range(60):
            laughs = [laughs, laughs]
        with pytest.raises(DataError, match="nested more than 100 levels"):
            check_state({"a": laughs}, "it")


class Bomb:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


@pytest.mark.parametrize(
    "write",
    [
        lambda path, bomb: path.write_bytes(pickle.dumps({"mu": bomb})),
        lambda path, bomb: torch.save({"mu": bomb}, path),
        lambda path, bomb: torch.save({"mu": torch.ones(2)}, path, _use_new_zipfile_serialization=False),
        lambda path, bomb: np.savez(path.open("wb"), json=np.array([bomb], dtype=object)),
        lambda path, bomb: np.savez(path.open("wb"), a=np.arange(3)),
        lambda path, bomb: path.write_text("hello"),
        lambda path, bomb: path.write_bytes(b""),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_other_files_are_refused_and_nothing_in_them_runs(tmp_path, kind, write):
    path = tmp_path / "model"
    write(path, Bomb(tmp_path / "exploded"))
    with pytest.raises(DataError, match=r"model is not a model: .*\. Fit one\.$"):
        kind[0](path, "a model", "Fit one.")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"tensor_0__npy": None}, "it lacks the array 'tensor_0'"),
        ({"more__npy": npy(np.ones(2))}, "it holds 'more', which is no part"),
        ({"json__npy": as_json([1])}, "it holds 'tensor_0'"),
        ({"json__npy": as_json([{"@tensor": f"tensor_{i}"} for i in range(5)])}, "the state is a list"),
        ({"json__npy": as_json({"a": [{"@tensor": "tensor_0"}] * 2})}, "it lacks the array 'tensor_0', or has it in"),
        ({"json__npy": as_json({"a": [{"@tensor": ["tensor_0"]}] * 2})}, "unhashable"),
        ({"json__npy": as_json({"a": float("nan")})}, "the number NaN, which is not finite"),
        ({"json__npy": npy(np.ones(3))}, "json has the dtype float64"),
        ({"tensor_0__npy": npy(np.array([np.nan]))}, "tensor_0 holds a number that is not finite"),
        ({"tensor_0__npy": npy(np.array(["text"]))}, "tensor_0 has the dtype <U4"),
        ({"tensor_0__npy": npy(np.ones(2, dtype=np.clongdouble))}, "tensor_0 has the dtype complex"),
        ({"tensor_0__npy": npy(np.ones(2), shape=(10**12, 10**12))}, r"should have the shape \(10+, 10+\) of float64"),
        ({"tensor_0__npy": npy(np.ones(2), shape=(-1, -2))}, r"should have the shape \(-1, -2\)"),
        ({"tensor_0__npy": npy(np.ones(2), shape=(3,))}, "but holds 16 bytes"),
        ({"tensor_0__npy": npy(np.ones(0), descr="|S0", shape=(10**15,))}, r"has the dtype \|S0"),
        ({"tensor_0__npy": npy(np.frombuffer(b"\x00\x07", dtype=bool))}, "neither true nor false"),
    ],
)
def test_archives_with_a_part_that_does_not_fit(tmp_path, members, message):
    (tmp_path / "a").write_bytes(repacked(ARCHIVE, **members))
    with pytest.raises(DataError, match=message):
        read_archive(tmp_path / "a")


class TestFuzz:
    """Whatever happens to a file, its reader returns what was written or says that it is broken."""

    @FUZZ
    @given(content=broken(ARCHIVE))
    def test_archive(self, content):
        assert_error_or(STATE, read_archive, content)

    @FUZZ
    @given(content=broken(TENSORS))
    def test_tensors(self, content):
        assert_error_or(STATE, read_tensors, content)

    @FUZZ
    @given(content=broken(NPZ))
    def test_arrays(self, content):
        assert_error_or(ARRAYS, lambda path: read_arrays(path, KINDS), content)

    # Where the checksums are right, other values may come out, but never other things.
    @FUZZ
    @given(content=broken_members(ARCHIVE))
    def test_members_of_an_archive(self, content):
        if state := result_or_error(read_archive, content):
            check_state(state, "it")

    @FUZZ
    @given(content=broken_members(TENSORS))
    def test_members_of_tensors(self, content):
        if state := result_or_error(read_tensors, content):
            check_state(state, "it")

    @FUZZ
    @given(content=broken_members(NPZ))
    def test_members_of_arrays(self, content):
        if arrays := result_or_error(lambda path: read_arrays(path, KINDS), content):
            assert arrays.keys() == KINDS.keys()
            assert all(array.dtype.kind in KINDS[name] for name, array in arrays.items())
            assert np.isfinite(arrays["x"]).all()
            assert arrays["names"].size == len(np.ravel(arrays["names"]).tolist())

    @FUZZ
    @given(content=broken(npy(np.arange(6.0).reshape(2, 3))))
    def test_mapped_array(self, content):
        array = result_or_error(lambda path: np.array(map_array(path, "f")), content)
        assert array is None or array.nbytes <= len(content)

    @FUZZ
    @given(content=broken(json.dumps({"a": [1, 2.5, None, {"b": "text"}], "c": {}}).encode()) | st.binary())
    def test_json(self, content):
        value = result_or_error(read_json, content)
        assert json.loads(json.dumps(value, allow_nan=False)) == value


def result_or_error(read, content):
    with file_of(content) as path:
        try:
            return read(path)
        except DataError as error:
            return None if str(path) in str(error) else pytest.fail(f"{error} does not name the file")


def assert_error_or(expected, read, content):
    if (result := result_or_error(read, content)) is not None:
        assert_same(result, expected)


def peak_bytes(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_zip_bomb_takes_no_memory(tmp_path, kind):
    with zipfile.ZipFile(tmp_path / "bomb", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("json.npy", "w", force_zip64=True) as member:
            for _ in range(300):
                member.write(bytes(2**20))

    def read():
        with pytest.raises(DataError, match="would unpack to"):
            kind[0](tmp_path / "bomb")

    assert (tmp_path / "bomb").stat().st_size < 2**21
    assert peak_bytes(read) < 2**22


def test_a_header_that_promises_more_takes_no_memory(tmp_path):
    (tmp_path / "a").write_bytes(repacked(ARCHIVE, tensor_0__npy=npy(np.ones(2), shape=(2**40,))))

    def read():
        with pytest.raises(DataError, match="but holds 16 bytes"):
            read_archive(tmp_path / "a")

    assert peak_bytes(read) < 2**22


def test_a_tensor_that_promises_more_than_its_file(tmp_path):
    torch.save({"a": torch.ones(1).expand(2**40)}, tmp_path / "a")
    with pytest.raises(DataError, match=r"a would need \d+ bytes that are not in the file"):
        read_tensors(tmp_path / "a")


def test_a_checkpoint_may_hold_other_plain_types_and_no_code(tmp_path):
    checkpoint = {"state": {0: (torch.ones(2), torch.float32)}, "nan": float("nan")}
    torch.save(checkpoint, tmp_path / "a.ckpt")
    read = load_checked(tmp_path / "a.ckpt", "a checkpoint")
    assert read["state"][0][1] is torch.float32
    with pytest.raises(DataError, match="the key 0"):
        read_tensors(tmp_path / "a.ckpt")
    content = bytearray((tmp_path / "a.ckpt").read_bytes())
    content[content.index(torch.ones(2).numpy().tobytes())] += 1
    (tmp_path / "a.ckpt").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.ckpt is not a checkpoint: .*data/0 in it is not what was written"):
        load_checked(tmp_path / "a.ckpt", "a checkpoint")
    torch.save({"code": Bomb(tmp_path / "exploded")}, tmp_path / "a.ckpt")
    with pytest.raises(DataError, match=r"a\.ckpt is not a checkpoint: it holds other things than plain types"):
        load_checked(tmp_path / "a.ckpt", "a checkpoint")
    assert not (tmp_path / "exploded").exists()


class TestArrays:
    def test_reads_what_it_is_told_to_and_nothing_else(self, tmp_path):
        (tmp_path / "a.npz").write_bytes(NPZ)
        arrays = read_arrays(tmp_path / "a.npz", {"y": "i"}, {"z": "f", "names": "U"})
        assert_same(arrays, {"y": ARRAYS["y"], "names": ARRAYS["names"]})

    def test_byte_order_and_layout(self, tmp_path):
        array = np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3))
        np.savez(tmp_path / "a.npz", x=array)
        read = read_arrays(tmp_path / "a.npz", {"x": "f"})["x"]
        assert read.dtype.isnative
        np.testing.assert_array_equal(read, array)
        torch.from_numpy(read)

    @pytest.mark.parametrize(
        ("kinds", "message"),
        [
            ({"z": "f"}, "it lacks z and holds x, y, names, other"),
            ({"y": "f"}, "y has the dtype int64, and the kinds f are expected"),
            ({"other": "f"}, "other holds a number that is not finite"),
        ],
    )
    def test_what_does_not_fit(self, tmp_path, kinds, message):
        (tmp_path / "a.npz").write_bytes(NPZ)
        with pytest.raises(DataError, match=rf"a\.npz is not a set: {message}\. Name another\."):
            read_arrays(tmp_path / "a.npz", kinds, what="a set", cure="Name another.")

    def test_numbers_may_be_missing_where_that_is_said(self, tmp_path):
        np.savez(tmp_path / "a.npz", x=np.array([np.nan, 1]))
        assert np.isnan(read_arrays(tmp_path / "a.npz", {"x": "f"}, may_be_nan=["x"])["x"][0])

    def test_characters_that_do_not_exist(self, tmp_path):
        (tmp_path / "a").write_bytes(repacked(NPZ, names__npy=npy(np.array([2**31], dtype=np.uint32), descr="<U1")))
        with pytest.raises(DataError, match="character that does not exist"):
            read_arrays(tmp_path / "a", KINDS)

    def test_mapped_array_is_copied_on_write(self, tmp_path):
        np.save(tmp_path / "a.npy", np.arange(6.0).reshape(2, 3))
        array = map_array(tmp_path / "a.npy", "f")
        assert isinstance(array, np.memmap)
        array[0, 0] = 7
        np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.arange(6.0).reshape(2, 3))
        np.save(tmp_path / "none.npy", np.zeros((0, 3)))
        assert map_array(tmp_path / "none.npy", "f").shape == (0, 3)

    def test_mapped_array_that_was_cut_short(self, tmp_path):
        (tmp_path / "a.npy").write_bytes(npy(np.ones(9))[:-8])
        with pytest.raises(DataError, match=r"a\.npy is not an array: it should have the shape \(9,\)"):
            map_array(tmp_path / "a.npy", "f")


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


def limited(code, path):
    """Run code in a process whose files may have at most 100,000 bytes, as on a disk that is full."""
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); path = sys.argv[1]\n"
    return subprocess.run([sys.executable, "-c", limit + code, path], capture_output=True, text=True)


class TestWriting:
    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_an_error_in_the_middle_leaves_the_old_file(self, tmp_path, error):
        write_text(tmp_path / "a", "old")

        def write():
            with replacing(tmp_path / "a") as file:
                file.write(b"half")
                raise error("middle")

        with pytest.raises(error, match="middle"):
            write()
        assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]

    @pytest.mark.parametrize(
        "write",
        [
            "from lol_lightning._files.disk import write_bytes; write_bytes(path, bytes(10**6))",
            "from lol_lightning._files.plain import write_json; write_json(path, 'x' * 10**6)",
            "import torch; from lol_lightning._files.state import *; write_archive(path, {'a': torch.randn(10**5)})",
            "import torch; from lol_lightning._files.state import *; write_tensors(path, {'a': torch.randn(10**5)})",
        ],
    )
    def test_a_full_disk_leaves_the_old_file(self, tmp_path, write):
        write_text(tmp_path / "a", "old")
        run = limited(write, tmp_path / "a")
        assert run.returncode == 1
        assert "DataError: " in run.stderr
        assert "cannot be written: file too large." in run.stderr
        assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]

    def test_a_missing_directory_is_named(self, tmp_path):
        with pytest.raises(DataError, match=rf"cannot be written: there is no directory {tmp_path}/b\.$"):
            write_text(tmp_path / "b" / "c" / "d", "text")
        assert not list(tmp_path.iterdir())

    def test_what_is_no_file_is_not_replaced(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "folder").mkdir()
        (tmp_path / "file").write_text("")
        for name, message in [
            ("pipe", "is a pipe or a device"),
            ("folder", "is a directory; name a file in it"),
            ("file/a", "cannot be written: not a directory"),
        ]:
            with pytest.raises(DataError, match=message):
                write_text(tmp_path / name, "text")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "pipe"]

    def test_links_and_permissions_stay(self, tmp_path):
        (tmp_path / "real").mkdir()
        (tmp_path / "real" / "a").write_text("old")
        os.chmod(tmp_path / "real" / "a", 0o640)
        (tmp_path / "link").symlink_to(tmp_path / "real" / "a")
        write_text(tmp_path / "link", "new")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "real" / "a").read_text() == "new"
        assert stat.S_IMODE((tmp_path / "real" / "a").stat().st_mode) == 0o640
        (tmp_path / "dangling").symlink_to(tmp_path / "real" / "b")
        write_text(tmp_path / "dangling", "first")
        assert (tmp_path / "real" / "b").read_text() == "first"

    def test_a_new_file_has_the_usual_permissions(self, tmp_path):
        (tmp_path / "usual").write_text("")
        write_text(tmp_path / "a", "")
        assert (tmp_path / "a").stat().st_mode == (tmp_path / "usual").stat().st_mode

    def test_text_that_is_no_utf8(self, tmp_path):
        with pytest.raises(DataError, match="cannot be written: 'utf-8' codec can't encode"):
            write_text(tmp_path / "a", "\ud800")

    def test_what_others_mapped_stays_as_it_is(self, tmp_path):
        np.save(tmp_path / "a.npy", np.ones(5))
        array = map_array(tmp_path / "a.npy", "f")
        write_bytes(tmp_path / "a.npy", b"")
        assert array.tolist() == [1.0] * 5


class TestReading:
    def test_what_is_missing_is_named(self, tmp_path):
        (tmp_path / "link").symlink_to("nowhere")
        for name, message in [
            ("a", rf"^{tmp_path}/a is missing\. Make one\.$"),
            ("b/c/d", rf"^there is no directory {tmp_path}/b\. Make one\.$"),
            ("link", rf"^{tmp_path}/link is a link to nowhere, which is missing\. Make one\.$"),
            (".", "is a directory; name a file in it"),
        ]:
            for read in (read_text, read_json, read_archive, read_tensors):
                with pytest.raises(DataError, match=message):
                    read(tmp_path / name, "a file", "Make one.")

    def test_a_pipe_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        for read in (read_bytes, read_json, read_archive, read_tensors):
            with pytest.raises(DataError, match="is a pipe or a device"):
                read(tmp_path / "pipe", "a file")

    def test_errors_that_name_the_file_pass_and_others_are_told(self):
        with pytest.raises(DataError, match=r"^x\.csv is of another version$"), reading("x.csv", "a table"):
            raise DataError("x.csv is of another version")
        problems = {"it lacks 'column'": KeyError("column"), r"x\.csv is missing": DataError("x.csv is missing.")}
        for reason, problem in problems.items():
            with pytest.raises(TargetsError, match=rf"^x\.csv is not a table: {reason}\. Name another\.$"):
                with reading("x.csv", "a table", "Name another.", TargetsError):
                    raise problem
        with pytest.raises(DataError, match="x is not a table: it is nested too deeply"), reading("x", "a table"):
            raise RecursionError("maximum")
        with pytest.raises(KeyboardInterrupt), reading("x", "a table"):
            raise KeyboardInterrupt
