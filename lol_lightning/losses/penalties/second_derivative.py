"""What PyTorch says where a network has no second derivative, in words that name the cure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lol_lightning.exceptions import ConfigurationError

__all__ = ["second_derivative"]

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
            "Replace that part (attention: torch.nn.attention.sdpa_kernel(SDPBackend.MATH); compiled: the plain one), "
            "match gradients at its representation instead of its pixels, or set method='lol-simple'."
        ) from error
