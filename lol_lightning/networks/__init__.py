"""Networks on sparse rows, and how the rest of the package speaks to any network."""

from lol_lightning.networks.interface import SplitNetwork, as_input, check_network, evaluation_mode, logits_of
from lol_lightning.networks.sparse_mlp import SparseMLP, check_sizes

__all__ = ["SparseMLP", "SplitNetwork", "as_input", "check_network", "check_sizes", "evaluation_mode", "logits_of"]
