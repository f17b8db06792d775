"""Bytes from and to the disk: files are read within bounds, written whole or not at all, and every failure is ours."""

from __future__ import annotations

import os
import pickle
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from lol_lightning.exceptions import DataError, LoLError

__all__ = [
    "MAX_TEXT_BYTES",
    "building",
    "first_cause",
    "make_directory_of",
    "read_bytes",
    "read_text",
    "reading",
    "regular_size",
    "replacing",
    "write_bytes",
    "write_text",
]

MAX_TEXT_BYTES = 2**30
"""Size from which on a file of text or JSON is refused unread."""


@contextmanager
def reading(
    path: str | os.PathLike[str], what: str, cure: str = "", error: type[LoLError] = DataError
) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into an error of ours that names the file and the cure.

    Args:
        path: of the file, or of the directory of several files.
        what: what it should be, with its article, such as "a file of labelers".
        cure: what to do about a file that is missing or broken.
        error: class of the error.

    Raises:
        LoLError: of the class ``error``, for any exception within; one of that class that names the file passes.
    """
    try:
        yield
    except FileNotFoundError as problem:
        raise error(f"{_missing(Path(path))} {cure}".rstrip()) from problem
    except Exception as problem:
        # The bytes of a file decide what is raised, and no list of exceptions would be complete.
        if isinstance(problem, error) and str(path) in str(problem):
            raise
        raise error(f"{path} is not {what}: {_reason(problem)}. {cure}".rstrip()) from problem


@contextmanager
def building(path: str | os.PathLike[str], what: str, cure: str = "") -> Iterator[None]:
    """As ``reading``, where an object is built from what was read: errors of ours keep their class and their reason.

    Raises:
        LoLError: naming the file; ``DataError`` for what is no error of ours.
    """
    try:
        with reading(path, what, cure):
            yield
    except DataError as problem:
        cause = first_cause(problem.__cause__)
        if cause is not None:
            raise type(cause)(f"{path} cannot be loaded: {cause}") from cause
        raise


def first_cause(error: BaseException | None) -> LoLError | None:
    """Find the package's own error: jsonargparse wraps what a constructor raises."""
    while error is not None and not isinstance(error, LoLError):
        error = error.__cause__
    return error


def regular_size(path: str | Path) -> int:
    """Return the size of a regular file in bytes.

    Raises:
        OSError: if there is none.
        DataError: if the path is a directory, a pipe or a device, which may never end.
    """
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise DataError(f"{path} is a directory; name a file in it")
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{path} is a pipe or a device; write its content to a file first")
    return status.st_size


def read_bytes(path: str | Path, what: str, cure: str = "", max_bytes: int = MAX_TEXT_BYTES) -> bytes:
    """Read a whole file.

    Raises:
        DataError: if it is missing, no regular file, cannot be read, or has more than ``max_bytes``.
    """
    with reading(path, what, cure):
        size = regular_size(path)
        if size > max_bytes:
            raise DataError(f"it has more than {max_bytes} bytes")
        with open(path, "rb") as file:
            content = file.read(size + 1)  # As many bytes as are asked for are allocated.
        if len(content) > size:
            raise DataError("it grew while it was read")
        return content


def read_text(path: str | Path, what: str, cure: str = "", max_bytes: int = MAX_TEXT_BYTES) -> str:
    """Read a whole file as UTF-8, with or without a byte order mark.

    Raises:
        DataError: as ``read_bytes``, or if it is not UTF-8.
    """
    content = read_bytes(path, what, cure, max_bytes)
    with reading(path, what, cure):
        return content.decode("utf-8-sig")


def make_directory_of(path: str | Path) -> None:
    """Make the directory of a file that is to be written, where there is none.

    Raises:
        DataError: if it cannot be made.
    """
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise DataError(f"{path} cannot be written: {_reason(problem)}.") from problem


@contextmanager
def replacing(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a new file that takes the place of ``path`` at the end, if nothing was raised.

    The content goes to a temporary file in the same directory and reaches the disk before the old file is replaced:
    after a full disk or a crash the old file is as it was. A link stays a link, and the file keeps its permissions.

    Raises:
        DataError: if the file cannot be written.
    """
    if not isinstance(path, str | os.PathLike):
        raise DataError(f"{path!r:.60} is no path; name the file to write.")
    target = Path(os.path.realpath(path))
    draft = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        mode = _permissions(target)
        with open(draft, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(draft, mode)
        os.replace(draft, target)
        _sync_directory(target.parent)
    except FileNotFoundError as problem:
        raise DataError(f"{path} cannot be written: {_missing(target)}") from problem
    except (OSError, UnicodeError) as problem:
        raise DataError(f"{path} cannot be written: {_reason(problem)}.") from problem
    finally:
        with suppress(OSError):
            draft.unlink()


def write_bytes(path: str | Path, content: bytes | memoryview) -> None:
    """Write a whole file at once; see ``replacing``.

    Raises:
        DataError: if it cannot be written; a file that was there is then as it was.
    """
    with replacing(path) as file:
        file.write(content)


def write_text(path: str | Path, text: str) -> None:
    """Write a whole file of UTF-8 at once; see ``replacing``.

    Raises:
        DataError: if it cannot be written; a file that was there is then as it was.
    """
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


def _sync_directory(directory: Path) -> None:
    """Bring the new name of a file to the disk, where the system can."""
    with suppress(OSError, AttributeError):
        handle = os.open(directory, os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _permissions(target: Path) -> int | None:
    """Permissions of the file that is to be replaced, ``None`` where there is none."""
    if not target.exists():
        return None
    regular_size(target)
    return stat.S_IMODE(target.stat().st_mode)


def _missing(path: Path) -> str:
    if path.is_symlink():
        return f"{path} is a link to {os.readlink(path)}, which is missing."
    parent = next((parent for parent in reversed(path.absolute().parents) if not parent.exists()), None)
    return f"{path} is missing." if parent is None else f"there is no directory {parent}."


def _reason(problem: Exception) -> str:
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror.lower()
    if isinstance(problem, MemoryError):
        return "it does not fit into memory"
    if isinstance(problem, RecursionError):
        return "it is nested too deeply"
    if isinstance(problem, pickle.UnpicklingError):  # PyTorch's message tells how to run the code in the file.
        return "it holds other things than plain types and tensors"
    if isinstance(problem, KeyError):
        return f"it lacks {problem}"
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].endswith(":"):  # A list of reasons, of which the first says enough.
        return f"{lines[0]} {lines[1]}"[:300].rstrip(".")
    return lines[0][:300].rstrip(".") if lines else type(problem).__name__
