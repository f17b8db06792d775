import io
import pickle
import zipfile

import numpy as np
import pytest
import torch
from broken_files import FUZZ, broken, broken_members
from file_contents import (
    ARCHIVE,
    STATE,
    TENSORS,
    as_json,
    assert_error_or,
    assert_same,
    npy,
    peak_bytes,
    repacked,
    result_or_error,
)
from hypothesis import given

from lol_lightning._files.state import (
    check_state,
    load_checked,
    read_archive,
    read_tensors,
    write_archive,
    write_tensors,
)
from lol_lightning.exceptions import DataError


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

    @given(content=broken(ARCHIVE))
    def test_archive(self, content):
        assert_error_or(STATE, read_archive, content)

    @FUZZ
    @given(content=broken(TENSORS))
    def test_tensors(self, content):
        assert_error_or(STATE, read_tensors, content)

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


def test_a_zip_bomb_takes_no_memory(tmp_path, kind):
    with zipfile.ZipFile(tmp_path / "bomb", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("json.npy", "w", force_zip64=True) as member:
            for _ in range(300):
                member.write(bytes(2**20))

    def read():
        with pytest.raises(DataError, match=r"would unpack to|was written by a save method"):
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
