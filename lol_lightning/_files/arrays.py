"""Arrays of NumPy's files: headers are checked against the bytes that are there before any memory is taken."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np

from lol_lightning._files.disk import reading, regular_size, write_bytes
from lol_lightning.exceptions import DataError

__all__ = ["Members", "map_array", "open_members", "read_arrays", "write_arrays"]

_MAX_MEMBERS = 100_000
_MAX_RATIO = 100
"""How many times its size a zip may unpack to, if that is more than _SMALL bytes."""
_SMALL = 2**28
_CHUNK = 2**20
_LAST_CHARACTER = 0x10FFFF


def read_arrays(
    path: str | Path,
    required: Mapping[str, str],
    optional: Mapping[str, str] | None = None,
    what: str = "an archive of arrays",
    cure: str = "",
    may_be_nan: Collection[str] = (),
) -> dict[str, np.ndarray]:
    """Read arrays from an npz; what else it holds is not looked at.

    Args:
        path: of the npz.
        required: the kinds of dtype that each array may have, such as ``"iuSU"``, by its name.
        optional: the same for arrays that may be missing.
        what: what the file should be, with its article, for the message.
        cure: what to do about a file that is missing or broken.
        may_be_nan: arrays in which numbers may be missing.

    Raises:
        DataError: if the file is missing or broken, lacks an array, or one has another kind or is not finite.
    """
    kinds = {**required, **(optional or {})}
    with reading(path, what, cure), open_members(path) as members:
        if missing := [name for name in required if name not in members.names]:
            raise DataError(f"it lacks {', '.join(missing)} and holds {', '.join(members.names) or 'nothing'}"[:300])
        return {name: members.read(name, kinds[name], name in may_be_nan) for name in members.names if name in kinds}


def write_arrays(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to exactly ``path`` as an npz, which ``read_arrays`` reads.

    Raises:
        DataError: if the file cannot be written; one that was there is then as it was.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(arrays))
    write_bytes(path, buffer.getbuffer())


def map_array(path: str | Path, kinds: str, what: str = "an array", cure: str = "") -> np.ndarray:
    """Map an npy file into memory, copy on write, so that its values are read from the disk when they are used.

    Raises:
        DataError: if the file is missing or broken, or its size is not what its header says.
    """
    with reading(path, what, cure):
        size = regular_size(path)
        with open(path, "rb") as file:
            header = _read_header(file, size, kinds)
        if not header.dtype.isnative:
            raise DataError("it was written on a machine of another byte order")
        if not math.prod(header.shape):  # Nothing can be mapped.
            return np.empty(header.shape, header.dtype)
        return np.memmap(path, header.dtype, "c", header.offset, header.shape, header.order)


class Members(NamedTuple):
    """Arrays in an open archive; each is read by itself."""

    archive: zipfile.ZipFile
    sizes: dict[str, int]
    """Size in bytes of each member, unpacked."""

    @property
    def names(self) -> list[str]:
        """Names of the arrays."""
        return [name.removesuffix(".npy") for name in self.sizes if name.endswith(".npy")]

    def read(self, name: str, kinds: str, may_be_nan: bool = False) -> np.ndarray:
        """Read one array, in the byte order of this machine.

        Raises:
            DataError: if it is broken, or has a dtype or value that it may not have.
        """
        with self.archive.open(f"{name}.npy") as file:
            header = _read_header(file, self.sizes[f"{name}.npy"], kinds, name)
            flat = np.empty(math.prod(header.shape), header.dtype)
            _fill(file, flat)
        _check_values(flat, name, may_be_nan)
        array = flat.reshape(header.shape, order=header.order)
        return array.astype(header.dtype.newbyteorder("="), copy=False)


@contextmanager
def open_members(path: str | Path) -> Iterator[Members]:
    """Open a zip of arrays whose sizes are plausible.

    Raises:
        DataError: if it would unpack to far more than it is, holds a name twice, or is packed in an unusual way.
        OSError: if it cannot be read.
        zipfile.BadZipFile: if it is no zip.
    """
    size = regular_size(path)
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        sizes = {info.filename: info.file_size for info in infos}
        if len(sizes) != len(infos) or len(infos) > _MAX_MEMBERS:
            raise DataError(f"it has {len(infos)} members of {len(sizes)} names")
        if odd := [info for info in infos if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)]:
            raise DataError(f"{odd[0].filename!r:.80} is packed in another way than numpy.savez does")
        if (total := sum(sizes.values())) > max(_SMALL, _MAX_RATIO * size):
            raise DataError(f"its {size} bytes would unpack to {total}")
        yield Members(archive, sizes)


class _Header(NamedTuple):
    shape: tuple[int, ...]
    order: Literal["C", "F"]
    dtype: np.dtype[Any]
    offset: int


def _read_header(file: IO[bytes], size: int, kinds: str, name: str = "it") -> _Header:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise DataError(f"{name} has the npy version {version}")
    offset = file.tell()
    if dtype.kind not in kinds or not dtype.itemsize or (dtype.kind == "f" and dtype.itemsize > 8):
        raise DataError(f"{name} has the dtype {str(dtype)[:80]}, and the kinds {kinds} are expected")
    if any(length < 0 for length in shape) or math.prod(shape) * dtype.itemsize != size - offset:
        raise DataError(f"{name} should have the shape {str(shape)[:80]} of {dtype}, but holds {size - offset} bytes")
    return _Header(shape, "F" if fortran else "C", dtype, offset)


def _fill(file: IO[bytes], flat: np.ndarray) -> None:
    free = flat.view(np.uint8).data
    while part := file.read(_CHUNK):  # To the very end, where the checksum is compared.
        free[: len(part)] = part
        free = free[len(part) :]
    if len(free):
        raise EOFError("it is cut short")


def _check_values(flat: np.ndarray, name: str, may_be_nan: bool) -> None:
    kind = flat.dtype.kind
    if kind == "f" and (np.isinf(flat) if may_be_nan else ~np.isfinite(flat)).any():
        raise DataError(f"{name} holds a number that is not finite")
    if kind == "b" and (flat.view(np.uint8) > 1).any():
        raise DataError(f"{name} holds a byte that is neither true nor false")
    if kind == "U" and (flat.view(flat.dtype.str[0] + "u4") > _LAST_CHARACTER).any():
        raise DataError(f"{name} holds a character that does not exist")
