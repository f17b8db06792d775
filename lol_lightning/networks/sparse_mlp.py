"""Networks whose first layer reads sparse rows, and the protocol that lets any network be split there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning.data.batch import SparseRows
from lol_lightning.exceptions import ConfigurationError, check_number
from lol_lightning.functional.gradients import GradientUnit
from lol_lightning.functional.relu_gradient import relu_network_gradient_and_logits
from lol_lightning.networks._bags import sum_rows

__all__ = ["SparseMLP", "check_sizes"]


class SparseMLP(nn.Module):
    """The paper's multi-layer perceptron, with a first layer that reads sparse or dense rows.

    The first layer's weight is stored with one row for each feature, so that a step reads and, with
    ``sparse_grad``, writes only the rows of the features that occur in it.

    Args:
        num_features: d.
        num_classes: K.
        hidden_sizes: width of each hidden layer, the first being H; at least one.
        dropout: chance in [0, 1) of dropping a hidden unit in training.
        sparse_grad: give the first weight a row-sparse gradient (``torch.sparse_coo``).

    Raises:
        ConfigurationError: if a size is not positive, or there is no hidden layer.

    Example:
        >>> network = SparseMLP(num_features=5, num_classes=3)
        >>> network(torch.zeros(2, 5)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        num_features: int,
        num_classes: int,
        hidden_sizes: Sequence[int] = (64, 16),
        dropout: float = 0.2,
        sparse_grad: bool = False,
    ) -> None:
        super().__init__()
        check_sizes(num_features, num_classes, hidden_sizes, dropout)
        bound = 1 / math.sqrt(num_features)
        weight = torch.empty(num_features, hidden_sizes[0]).uniform_(-bound, bound)
        # A module of its own rather than a parameter: DistributedDataParallel asks it whether its gradient is sparse.
        self.bags = nn.EmbeddingBag(
            num_features, hidden_sizes[0], mode="sum", sparse=sparse_grad, include_last_offset=True, _weight=weight
        )
        self.bias = nn.Parameter(torch.empty(hidden_sizes[0]).uniform_(-bound, bound))
        layers: list[nn.Module] = []
        for size, next_size in zip(hidden_sizes, [*hidden_sizes[1:], num_classes], strict=True):
            layers += [nn.ReLU(), nn.Dropout(dropout), nn.Linear(size, next_size)]
        self.tail = nn.Sequential(*layers)

    @property
    def weight(self) -> nn.Parameter:
        """The first layer's weight, float (d, H)."""
        return cast(nn.Parameter, self.bags.weight)

    @property
    def sparse_grad(self) -> bool:
        """Whether the first weight's gradient is row-sparse."""
        return self.bags.sparse

    @sparse_grad.setter
    def sparse_grad(self, value: bool) -> None:
        self.bags.sparse = value

    def first_layer(self, x: SparseRows | Float[Tensor, "batch feature"]) -> Float[Tensor, "batch hidden"]:
        """Return the first pre-activation, float (B, H)."""
        if isinstance(x, Tensor):
            return x.to(self.weight.dtype) @ self.weight + self.bias
        values = None if x.values is None else x.values.to(self.weight.dtype)
        if self.sparse_grad:
            return sum_rows(self.weight, x.indices, x.offsets, values) + self.bias
        return self.bags(x.indices, x.offsets, values) + self.bias

    def rest(self, a: Float[Tensor, "batch hidden"]) -> Float[Tensor, "batch cls"]:
        """Return the logits, float (B, K), of first pre-activations."""
        return self.tail(a)

    def rest_gradient(
        self, a: Float[Tensor, "sample hidden"], unit: GradientUnit, hold_factor: bool = False
    ) -> tuple[Float[Tensor, "cls hidden"], Float[Tensor, "sample cls"]]:
        """Return the mean gradient of the class probabilities at pre-activations, and the logits, without dropout.

        Returns:
            float (K, H) and float (t, K), see ``relu_network_gradient``.
        """
        linear = [(layer.weight, layer.bias) for layer in self.tail if isinstance(layer, nn.Linear)]
        return relu_network_gradient_and_logits(a, linear, unit, hold_factor)

    def forward(self, x: SparseRows | Float[Tensor, "batch feature"]) -> Float[Tensor, "batch cls"]:
        """Return the logits, float (B, K)."""
        return self.rest(self.first_layer(x))


def check_sizes(num_features: Any, num_classes: Any, hidden_sizes: Any, dropout: Any) -> None:
    """Check the arguments of ``SparseMLP``, before or once its numbers of features and classes are known.

    Raises:
        ConfigurationError: naming the first that cannot work.

    Example:
        >>> check_sizes(None, 2, hidden_sizes=(64, 16), dropout=0.2)
    """
    if num_features is not None:
        check_number("num_features", num_features, at_least=1, whole=True)
    if num_classes is not None:
        check_number("num_classes", num_classes, at_least=2, whole=True)
    if isinstance(hidden_sizes, str) or not isinstance(hidden_sizes, Iterable) or not list(hidden_sizes):
        raise ConfigurationError(f"hidden_sizes = {hidden_sizes!r}; give the sizes of one layer or more, as (64, 16).")
    for size in hidden_sizes:
        check_number("a size in hidden_sizes", size, at_least=1, whole=True)
    check_number("dropout", dropout, at_least=0, below=1)
