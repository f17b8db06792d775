"""A state as one tensor of bytes, so that a state dict holds tensors only: code that loops over it keeps working."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from lol_lightning._files.plain import parse_json
from lol_lightning._files.state import check_state
from lol_lightning.exceptions import DataError, LoLError

__all__ = ["pack", "unpack"]

_MARK = "@tensor"
_DTYPES = ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")


def pack(state: Mapping[str, Any]) -> UInt8[Tensor, " byte"]:
    """Return a state as UTF-8 of JSON; equal states give equal bytes.

    Args:
        state: str, bool, int, float, None and dense tensors, in dicts with keys of text and in lists.

    Raises:
        DataError: if it holds something else, or a number that is not finite.

    Example:
        >>> unpack(pack({"size": 3, "scale": torch.ones(2)}))
        {'scale': tensor([1., 1.]), 'size': 3}
    """
    check_state(state, "the state")
    text = json.dumps(state, default=_encoded, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return torch.from_numpy(np.frombuffer(text.encode(), dtype=np.uint8).copy())


def unpack(packed: Any, where: str = "the state") -> dict[str, Any]:
    """Return what ``pack`` was given; nothing in it is executed.

    Raises:
        DataError: if it is something else, or holds a number that is not finite.
    """
    if not isinstance(packed, Tensor) or packed.dtype != torch.uint8 or packed.ndim != 1:
        raise DataError(f"{where} is no tensor of bytes, but {type(packed).__name__!s}.")
    try:
        state = _decoded(parse_json(packed.cpu().numpy().tobytes()))
        check_state(state, where)
    except LoLError as error:
        raise DataError(f"{where} is broken: {error}") from error
    except Exception as error:  # The bytes decide what is raised.
        raise DataError(f"{where} is broken: {str(error).partition(chr(10))[0]}") from error
    return state


def _encoded(value: Any) -> Any:
    if not isinstance(value, Tensor):
        raise DataError(f"a {type(value).__name__} is neither a plain value nor a tensor")
    array = value.detach().cpu().contiguous().numpy()
    if array.dtype.name not in _DTYPES:
        raise DataError(f"a tensor of {value.dtype} cannot be kept")
    return {_MARK: array.dtype.name, "shape": list(array.shape), "data": base64.b64encode(array.tobytes()).decode()}


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return value if set(map(type, value)) <= {str, int, bool, float} else [_decoded(child) for child in value]
    if not isinstance(value, dict):
        return value
    if _MARK not in value:
        return {key: _decoded(child) for key, child in value.items()}
    dtype, shape, data = value[_MARK], value["shape"], base64.b64decode(value["data"], validate=True)
    if dtype not in _DTYPES or any(type(size) is not int or size < 0 for size in shape):
        raise DataError(f"it holds a tensor of {dtype!r:.40} and shape {str(shape)[:80]}")
    if math.prod(shape) * np.dtype(dtype).itemsize != len(data):
        raise DataError(f"it holds a tensor of shape {str(shape)[:80]} and {len(data)} bytes")
    return torch.from_numpy(np.frombuffer(data, dtype=dtype).reshape(shape).copy())
