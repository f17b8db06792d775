"""Files of a state: plain types and tensors, nested. Nothing in them is executed when they are read."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lol_lightning._files.arrays import Members, open_members
from lol_lightning._files.disk import reading, regular_size, write_bytes
from lol_lightning._files.plain import MAX_DEPTH, parse_json
from lol_lightning.exceptions import DataError

__all__ = [
    "check_state",
    "check_tensor",
    "load_checked",
    "read_archive",
    "read_tensors",
    "write_archive",
    "write_tensors",
]

_JSON = "json"
_MARK = "@tensor"


def write_archive(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write a state to exactly ``path``: an npz with one array for each tensor, and one for all else, as JSON.

    Args:
        path: of the file; one that is there is replaced as a whole.
        state: str, bool, int, float, None and dense tensors, in dicts with keys of text and in lists. Tuples become
            lists.

    Raises:
        DataError: if the file cannot be written, or the state holds something else or a number that is not finite.
    """
    check_state(state, f"{path} cannot be written: the state")
    arrays: dict[str, Any] = {}
    text = json.dumps(_mapped(state, lambda tensor: _set_aside(tensor, arrays)), allow_nan=False)
    buffer = io.BytesIO()
    arrays[_JSON] = np.frombuffer(text.encode(), dtype=np.uint8)
    np.savez(buffer, allow_pickle=False, **arrays)
    write_bytes(path, buffer.getbuffer())


def read_archive(path: str | Path, what: str = "an archive", cure: str = "") -> dict[str, Any]:
    """Read what ``write_archive`` wrote; a pickle is refused, not run.

    Args:
        path: of the file.
        what: what it should be, with its article, for the message.
        cure: what to do about a file that is missing or broken.

    Returns:
        The state, its tensors on the CPU.

    Raises:
        DataError: if the file is missing, broken or something else, or holds a number that is not finite.
    """
    with reading(path, what, cure), open_members(path) as members:
        if any(name.endswith("/data.pkl") for name in members.sizes):
            raise DataError(
                "it is a file of torch.save; a checkpoint of Lightning is read by LoLClassifier.load_from_checkpoint"
            )
        left = {*members.names} - {_JSON}
        state = _put_back(parse_json(members.read(_JSON, "u").tobytes()), members, left)
        if left:
            raise DataError(f"it holds {min(left)!r:.80}, which is no part of the state")
        check_state(state, "the state")
        return state


def write_tensors(path: str | Path, state: Mapping[str, Any], may_be_nan: Collection[str] = ()) -> None:
    """Write a state to exactly ``path`` as a file of ``torch.save``.

    Args:
        path: of the file; one that is there is replaced as a whole.
        state: as in ``write_archive``.
        may_be_nan: keys of tensors in which numbers may be missing.

    Raises:
        DataError: if the file cannot be written, or the state holds something else or a number that is not finite.
    """
    check_state(state, f"{path} cannot be written: the state", may_be_nan)
    buffer = io.BytesIO()
    torch.save(_mapped(state, lambda tensor: tensor.detach().cpu().contiguous()), buffer)
    write_bytes(path, buffer.getbuffer())


def read_tensors(
    path: str | Path, what: str = "a file of tensors", cure: str = "", may_be_nan: Collection[str] = ()
) -> dict[str, Any]:
    """Read a state from a file of ``torch.save``, with ``weights_only=True``.

    Args:
        path: of the file.
        what: what it should be, with its article, for the message.
        cure: what to do about a file that is missing or broken.
        may_be_nan: keys of tensors in which numbers may be missing.

    Returns:
        The state, its tensors on the CPU.

    Raises:
        DataError: if the file is missing, broken or something else, or holds a number that is not finite.
    """
    state = load_checked(path, what, cure)
    with reading(path, what, cure):
        for place, value in _leaves(state, "the state"):
            if isinstance(value, Tensor) and value.nbytes > _dense(value, place).untyped_storage().nbytes():
                raise DataError(f"{place} would need {value.nbytes} bytes that are not in the file")
        check_state(state, "the state", may_be_nan)
        return state


def load_checked(path: str | Path, what: str = "a file of tensors", cure: str = "") -> Any:
    """Read a file of ``torch.save``, such as a Lightning checkpoint, whatever plain types and tensors it holds.

    Raises:
        DataError: if the file is missing, not what was written, or holds code.
    """
    with reading(path, what, cure):
        size = regular_size(path)
        with zipfile.ZipFile(path) as archive:
            if f"{_JSON}.npy" in archive.namelist():
                raise DataError("it was written by a save method, and the load method of the same class reads it")
            if sum(info.file_size for info in archive.infolist()) > size:
                raise DataError(f"its {size} bytes would unpack to more")
            if (broken := archive.testzip()) is not None:
                raise DataError(f"{broken} in it is not what was written")
        return torch.load(path, map_location="cpu", weights_only=True)


def check_state(state: Any, where: str, may_be_nan: Collection[str] = ()) -> None:
    """Check that a state is a dict of plain types and tensors, nested at most 100 levels, with finite numbers.

    Raises:
        DataError: naming the place, if it is not.
    """
    if not isinstance(state, dict):
        raise DataError(f"{where} is a {type(state).__name__}, not a dict")
    for place, value in _leaves(state, where):
        if isinstance(value, Tensor):
            _check_finite(_dense(value, place), place, place.rpartition(".")[2] in may_be_nan)
        elif isinstance(value, float) and not math.isfinite(value):
            raise DataError(f"{place} is {value}, which is not finite")
        elif value is not None and not isinstance(value, str | int | float):
            raise DataError(f"{place} is a {type(value).__name__}, neither a plain value nor a tensor")


def check_tensor(value: Any, dtype: torch.dtype | None, shape: tuple[int, ...], where: str) -> Tensor:
    """Check that a value is a dense and finite tensor of a shape; a ``dtype`` of None takes any of the floats.

    Returns:
        The tensor, on the CPU.

    Raises:
        DataError: if it is not.
    """
    if not isinstance(value, Tensor):
        raise DataError(f"{where} is a {type(value).__name__}, not a tensor.")
    if value.dtype != dtype if dtype is not None else not value.is_floating_point():
        raise DataError(f"{where} has the dtype {value.dtype}, not {dtype or 'a float'}.")
    if tuple(value.shape) != shape:
        raise DataError(f"{where} has the shape {tuple(value.shape)}, not {shape}.")
    value = value.detach().cpu()
    _check_finite(_dense(value, where), where, False)
    return value


def _leaves(state: Any, where: str) -> Iterator[tuple[str, Any]]:
    """What is in the dicts and lists of a state, each with its place."""
    visited: set[int] = set()
    stack: list[tuple[str, Any, int]] = [(where, state, 0)]
    while stack:
        place, value, depth = stack.pop()
        if not isinstance(value, dict | list | tuple):
            yield place, value
            continue
        if depth > MAX_DEPTH:
            raise DataError(f"{where} is nested more than {MAX_DEPTH} levels deep")
        # A pickle can hold one list a billion times, and within itself.
        if id(value) in visited:
            continue
        visited.add(id(value))
        if isinstance(value, dict):
            if bad := [key for key in value if not isinstance(key, str) or key.startswith(_MARK)]:
                raise DataError(f"{place} has the key {bad[0]!r:.80}; keys are texts that do not begin with {_MARK}")
            stack += [(f"{place}.{key}", child, depth + 1) for key, child in value.items()]
        elif not set(map(type, value)) <= {str, int, bool}:
            stack += [(f"{place}[{i}]", child, depth + 1) for i, child in enumerate(value)]


def _mapped(state: Any, change: Callable[[Tensor], Any]) -> Any:
    """A state with other things in place of its tensors."""
    if isinstance(state, dict):
        return {key: _mapped(value, change) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [_mapped(value, change) for value in state]
    return change(state) if isinstance(state, Tensor) else state


def _set_aside(tensor: Tensor, arrays: dict[str, Any]) -> dict[str, str]:
    """Put a tensor among the arrays and return what stands in its place."""
    name = f"tensor_{len(arrays)}"
    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype == torch.bfloat16:  # NumPy does not have it.
        arrays[name] = tensor.view(torch.int16).numpy()
        return {_MARK: name, "dtype": "bfloat16"}
    arrays[name] = tensor.numpy()
    return {_MARK: name}


def _put_back(state: Any, members: Members, left: set[str]) -> Any:
    """Put the tensors of ``left`` where ``_set_aside`` took them from."""
    if isinstance(state, list):
        return state if set(map(type, state)) <= {str, int, bool} else [_put_back(v, members, left) for v in state]
    if not isinstance(state, dict):
        return state
    if _MARK not in state:
        return {key: _put_back(value, members, left) for key, value in state.items()}
    name = state[_MARK]
    if name not in left:
        raise DataError(f"it lacks the array {name!r:.80}, or has it in two places")
    left.remove(name)
    tensor = torch.from_numpy(members.read(name, "biuf", may_be_nan=False))
    return tensor.view(torch.bfloat16) if state.get("dtype") == "bfloat16" else tensor


def _dense(tensor: Tensor, place: str) -> Tensor:
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_nested or tensor.is_quantized:
        raise DataError(f"{place} is a tensor that is not dense")
    if tensor.is_complex():
        raise DataError(f"{place} is a tensor of complex numbers")
    return tensor


def _check_finite(tensor: Tensor, place: str, may_be_nan: bool) -> None:
    if tensor.is_floating_point() and (tensor.isinf() if may_be_nan else ~tensor.isfinite()).any():
        raise DataError(f"{place} holds a number that is not finite")
