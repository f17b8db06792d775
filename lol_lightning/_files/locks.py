"""A lock beside a file, so that two processes do not write the same one; it ends with the process that holds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lol_lightning._files.disk import make_directory_of
from lol_lightning.exceptions import DataError

__all__ = ["locked", "locked_if_free"]


@contextmanager
def locked(path: str | Path, cure: str) -> Iterator[None]:
    """Hold the only right to write a file; the lock is the hidden file ``.NAME.lock`` beside it.

    The operating system holds the lock, so none is left behind by a process that was killed.

    Args:
        path: the file that is to be written; it need not exist.
        cure: what to do where another process holds the lock.

    Raises:
        DataError: if another process holds the lock, or it cannot be made.
    """
    with locked_if_free(path) as is_mine:
        if not is_mine:
            raise DataError(f"another process is writing to {path}. {cure}")
        yield


@contextmanager
def locked_if_free(path: str | Path) -> Iterator[bool]:
    """Hold the right to write a file where nobody else does, and tell whether that is so; see ``locked``.

    Raises:
        DataError: if the lock cannot be made.
    """
    path = Path(path)
    make_directory_of(path)
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    except (OSError, NotImplementedError) as problem:
        raise DataError(f"{path} cannot be locked: {problem}. Choose a directory on a local disk.") from problem
    try:
        yield True
    finally:
        lock.release()
