import numpy as np
import pytest
import torch
from broken_files import FUZZ, broken, broken_members
from file_contents import ARRAYS, KINDS, NPZ, assert_error_or, assert_same, npy, repacked, result_or_error
from hypothesis import given

from lol_lightning._files.arrays import map_array, read_arrays, write_arrays
from lol_lightning.exceptions import DataError


class TestArrays:
    def test_what_is_written_is_read(self, tmp_path):
        arrays = {"keys": np.arange(6, dtype=np.uint8).reshape(2, 3), "values": np.array([0.5, 2], np.float32)}
        write_arrays(tmp_path / "a.npz", arrays)
        assert_same(read_arrays(tmp_path / "a.npz", {"keys": "u", "values": "f"}), arrays)
        assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
        with pytest.raises(DataError, match="no directory"):
            write_arrays(tmp_path / "missing" / "a.npz", arrays)

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


class TestFuzz:
    """Whatever happens to a file, its reader returns what was written or says that it is broken."""

    @FUZZ
    @given(content=broken(NPZ))
    def test_arrays(self, content):
        assert_error_or(ARRAYS, lambda path: read_arrays(path, KINDS), content)

    # Where the checksums are right, other values may come out, but never other things.
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
