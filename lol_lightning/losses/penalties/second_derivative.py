"""Kernels that have a second derivative, and what PyTorch says where there is none, in words that name the cure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.networks import SparseMLP

__all__ = ["keeping_graphs", "second_derivative", "slower_kernels", "twice_differentiable"]

_SIGNS = ("derivative for", "differentiate twice", "double backward", "donated buffers")
"""Parts of PyTorch's messages about functions without a second derivative."""


@contextmanager
def second_derivative() -> Iterator[None]:
    """Say what to do where a part of the network turns out to have no second derivative.

    Raises:
        ConfigurationError: in place of PyTorch's ``RuntimeError``.
    """
    try:
        yield
    except RuntimeError as error:
        if not any(sign in str(error) for sign in _SIGNS):
            raise
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(
            f"the network cannot be differentiated twice, as the gradient penalty needs ({reason}). "
            "Replace that part (compiled: the plain one), match gradients at its "
            "representation instead of its pixels, or set method='lol-simple'."
        ) from error


@contextmanager
def twice_differentiable(network: nn.Module) -> Iterator[None]:
    """Run a network by kernels that have a second derivative: attention by PyTorch's own, compiled code as it was.

    Raises:
        ConfigurationError: as ``second_derivative``.
    """
    if isinstance(network, SparseMLP):
        with second_derivative():
            yield
        return
    with ExitStack() as stack:
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        if torch.cuda.is_available() and any(isinstance(part, nn.RNNBase) for part in network.modules()):
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        stack.enter_context(second_derivative())
        yield


@contextmanager
def keeping_graphs() -> Iterator[None]:
    """Run compiled networks uncompiled, so that their graphs can be differentiated more than once.

    What is compiled overwrites its saved tensors in the first backward pass.
    """
    with torch.compiler.set_stance("force_eager"):
        yield


def slower_kernels(network: nn.Module) -> str | None:
    """Say which parts of a network run slower within ``twice_differentiable``, ``None`` where none does.

    Example:
        >>> slower_kernels(nn.MultiheadAttention(4, 2))
        'attention by its math kernel'
    """
    parts = {type(part).__name__ for part in network.modules()}
    slower = []
    if any("Attention" in name or "Transformer" in name for name in parts):
        slower.append("attention by its math kernel")
    if "OptimizedModule" in parts:
        slower.append("compiled parts uncompiled")
    return " and ".join(slower) or None
