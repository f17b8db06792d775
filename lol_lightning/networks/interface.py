"""How the rest of the package speaks to a network: its input, its mode, and its split at the first layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning.data.batch import Features, SparseRows
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.networks.sparse_mlp import SparseMLP

__all__ = ["SplitNetwork", "as_input", "check_network", "evaluation_mode", "logits_of"]


@runtime_checkable
class SplitNetwork(Protocol):
    """A network in two parts, so that its input gradient can be chained through the first layer.

    ``forward(x)`` must equal ``rest(first_layer(x))``. ``first_layer`` must be affine in ``x`` and accept
    ``SparseRows``, also where the data are dense, and ``rest`` must map float (N, H) to logits float (N, K). The
    gradient on the inspected features is then the gradient at the first layer's output times those features' rows of
    its weight, whatever the size of the vocabulary.
    """

    def first_layer(self, x: SparseRows | Tensor) -> Tensor:
        """Map rows (N, d) to the first pre-activation (N, H); affine in ``x``."""
        ...

    def rest(self, a: Tensor) -> Tensor:
        """Map the first pre-activation (N, H) to logits (N, K)."""
        ...


def check_network(network: Any) -> None:
    """Raise ``ConfigurationError`` unless a network is an ``nn.Module``, or ``None`` for the default one.

    Example:
        >>> check_network(nn.Linear(3, 2))
    """
    if isinstance(network, type):
        raise ConfigurationError(f"network is the class {network.__name__}; give an object: {network.__name__}(...).")
    if network is not None and not isinstance(network, nn.Module):
        raise ConfigurationError(f"network = {network!r:.60} is no torch.nn.Module, whose weights could be trained.")


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Put every part of a network in evaluation mode and restore each part's own mode afterwards."""
    training = [part for part in network.modules() if part.training]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True


def as_input(network: nn.Module, features: Features) -> Any:
    """Return features in the form that a network reads: sparse rows stay so only for a ``SplitNetwork``.

    Raises:
        DataError: if the default network was built for another number of features, or gets images or tokens.
    """
    if isinstance(network, SparseMLP):
        if isinstance(features, Mapping):
            raise DataError(
                f"the default network reads rows of features and got a dictionary of {', '.join(features)}. Give a "
                "network of your own: LoLClassifier(network=...)."
            )
        if isinstance(features, Tensor) and features.ndim > 2:
            raise DataError(
                f"the default network reads rows of features and got inputs of the shape {tuple(features.shape)}. Give "
                "a network of your own: LoLClassifier(network=...)."
            )
        if features.shape[-1] != network.weight.shape[0]:
            raise DataError(
                f"features have {features.shape[-1]} columns and the model was built for {network.weight.shape[0]}. "
                "Use the feature space that it was trained with."
            )
        return features
    if not isinstance(features, SparseRows):
        return features
    return features if isinstance(network, SplitNetwork) else features.to_dense(next(network.parameters()).dtype)


def logits_of(network: nn.Module, features: Features) -> Float[Tensor, "batch cls"]:
    """Send features through a network and return its logits, float (B, K).

    Token dictionaries become keyword arguments, as Hugging Face models take them; of an output object, ``logits``
    count.

    Raises:
        ConfigurationError: if the network returns neither a tensor nor an object with ``logits``.
    """
    rows = as_input(network, features)
    output = network(**rows) if isinstance(rows, Mapping) else network(rows)
    logits = output if isinstance(output, Tensor) else getattr(output, "logits", None)
    if not isinstance(logits, Tensor):
        raise ConfigurationError(
            f"the network returned a {type(output).__name__}; it must return logits float (B, K), or an object "
            "that has them as .logits."
        )
    return logits
