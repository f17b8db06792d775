"""The encoder of end-to-end weak supervision: from votes and features to a score for each labeling function."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning.data.batch import SparseRows
from lol_lightning.networks import SparseMLP, as_input

__all__ = ["VoteEncoder"]


class VoteEncoder(nn.Module):
    """A multi-layer perceptron on the votes and, if wanted, the features of a row.

    The votes enter one-hot, an abstention as zeros. Features go through a layer of their own, which reads sparse rows
    as the end model's does, and is added to that of the votes: one layer on both, whatever the number of features.

    Args:
        num_lfs: m, at least 2.
        num_classes: K.
        num_features: d; ``None`` for votes alone.
        hidden_sizes: width of each hidden layer, at least one.
        dropout: chance in [0, 1) of dropping a hidden unit in training.
        sparse_grad: give the weight on the features a row-sparse gradient.

    Raises:
        ConfigurationError: if a size is not positive, or there is no hidden layer.

    Example:
        >>> import torch
        >>> encoder = VoteEncoder(num_lfs=3, num_classes=2, num_features=5)
        >>> encoder(torch.zeros(4, 3, 2), torch.zeros(4, 5)).shape
        torch.Size([4, 3])
    """

    def __init__(
        self,
        num_lfs: int,
        num_classes: int,
        num_features: int | None = None,
        hidden_sizes: Sequence[int] = (70, 70),
        dropout: float = 0.2,
        sparse_grad: bool = False,
    ) -> None:
        super().__init__()
        self.reads_features = num_features is not None
        num_inputs = num_lfs * num_classes if num_features is None else num_features
        self.body = SparseMLP(num_inputs, num_lfs, hidden_sizes, dropout, sparse_grad and self.reads_features)
        if self.reads_features:
            self.from_votes = nn.Linear(num_lfs * num_classes, hidden_sizes[0], bias=False)

    def forward(self, votes: Float[Tensor, "batch lf cls"], features: Tensor | SparseRows) -> Float[Tensor, "batch lf"]:
        """Return a raw score for each LF.

        Args:
            votes: float (B, m, K), distributions over classes; zeros where an LF abstains.
            features: float (B, d) or ``SparseRows`` (B, d); not read where the encoder is for votes alone.

        Returns:
            float (B, m).
        """
        flat = votes.flatten(1).to(self.body.weight.dtype)
        if not self.reads_features:
            return self.body(flat)
        return self.body.rest(self.body.first_layer(as_input(self.body, features)) + self.from_votes(flat))
