"""How the rest of the package speaks to a network: its input, its mode, and its split at the first layer."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning.data.batch import Features, SparseRows
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.features.token_rows import TokenRows
from lol_lightning.networks.sparse_mlp import SparseMLP

__all__ = ["SplitNetwork", "as_input", "check_network", "evaluation_mode", "logits_of", "token_arguments"]


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
    """Return features in the form that a network reads.

    Sparse rows stay so only for a ``SplitNetwork``; rows of tokens become a dictionary of padded tensors.

    Raises:
        DataError: if the default network was built for another number of features, or gets images or tokens.
    """
    if isinstance(features, TokenRows):
        features = features.batch()
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

    Of a token dictionary, a network gets by name what its ``forward`` takes, as Hugging Face models do. A ``forward``
    without ``input_ids`` gets these as its first argument. Of an output object, ``logits`` count.

    Raises:
        ConfigurationError: if the network needs what the batch does not hold, or returns neither a tensor nor an object
            with ``logits``.
    """
    rows = as_input(network, features)
    if isinstance(rows, Mapping):
        first, by_name = token_arguments(network, rows)
        output = network(*first, **by_name)
    else:
        output = network(rows)
    logits = output if isinstance(output, Tensor) else getattr(output, "logits", None)
    if not isinstance(logits, Tensor):
        hint = " Load it by AutoModelForSequenceClassification." if hasattr(output, "last_hidden_state") else ""
        raise ConfigurationError(
            f"the network returned a {type(output).__name__}; it must return logits float (B, K), or an object "
            f"that has them as .logits.{hint}"
        )
    return logits


def token_arguments(network: nn.Module, tokens: Mapping[str, Tensor]) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    """Say how a network takes a token dictionary.

    Returns:
        Arguments by position and by name.

    Raises:
        ConfigurationError: if ``forward`` needs an argument that the dictionary does not hold.

    Example:
        >>> import torch
        >>> tokens = {"input_ids": torch.zeros(1, 2), "attention_mask": torch.ones(1, 2)}
        >>> first, by_name = token_arguments(nn.Identity(), tokens)
        >>> len(first), list(by_name)
        (1, [])
    """
    # A compiled network takes whatever the one within it takes.
    plain = getattr(network, "_orig_mod", network)
    parameters = inspect.signature(plain.forward).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return (), dict(tokens)
    names = [name for name, one in parameters.items() if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    by_name = {name: tokens[name] for name in names if name in tokens}
    needed = [
        name
        for name, one in parameters.items()
        if one.default is one.empty and one.kind is not one.VAR_POSITIONAL and name not in by_name
    ]
    first = (tokens["input_ids"],) if "input_ids" not in by_name and "input_ids" in tokens else ()
    if missing := needed[len(first) :]:
        raise ConfigurationError(
            f"{type(plain).__name__}.forward needs {missing[0]!r}, and a batch of tokens holds {', '.join(tokens)}. "
            "Name its arguments so, or give the others a default."
        )
    return first, by_name
