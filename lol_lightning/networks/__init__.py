"""Networks on sparse rows, and how the rest of the package speaks to any network."""

from lol_lightning.networks.interface import SplitNetwork, as_input, evaluation_mode, logits_of
from lol_lightning.networks.sparse_mlp import SparseMLP

__all__ = ["SparseMLP", "SplitNetwork", "as_input", "evaluation_mode", "logits_of"]
