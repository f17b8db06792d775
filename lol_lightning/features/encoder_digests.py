"""What identifies a loaded model: its weights and its tokenizer."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch
from torch import nn

__all__ = ["model_digest", "versions_of"]


def model_digest(model: nn.Module, tokenizer: Any) -> str:
    """Return a hash of a model's class, weights and tokenizer, 32 hexadecimal digits.

    Every byte of the weights is read, about a gigabyte a second.
    """
    digest = hashlib.blake2b(type(model).__name__.encode(), digest_size=16)
    for name, tensor in model.state_dict().items():
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")
    digest.update(_tokenizer_text(tokenizer).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def versions_of(model: nn.Module) -> tuple[int, int]:
    """Return what changes where weights are changed in place or replaced, without reading them.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> before = versions_of(layer)
        >>> _ = nn.init.zeros_(layer.weight)
        >>> before == versions_of(layer)
        False
    """
    tensors = [*model.parameters(), *model.buffers()]
    versions = sum(0 if tensor.is_inference() else tensor._version for tensor in tensors)
    return versions, hash(tuple(tensor.data_ptr() for tensor in tensors))


def _tokenizer_text(tokenizer: Any) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if hasattr(backend, "to_str"):
        content = json.loads(backend.to_str())
        # Each call sets these two.
        return json.dumps({name: value for name, value in content.items() if name not in ("truncation", "padding")})
    words = sorted(tokenizer.get_vocab().items()) if hasattr(tokenizer, "get_vocab") else []
    return f"{type(tokenizer).__name__} {words}"
