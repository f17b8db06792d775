"""Contents of the files that tests of the readers and writers start from, and how their results are compared."""

import io
import json
import tempfile
import tracemalloc
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from lol_lightning._files.state import (
    write_archive,
    write_tensors,
)
from lol_lightning.exceptions import DataError

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
