"""How much each labeling function, and each class, counts."""

from lol_lightning.losses.weights.class_weights import ClassWeighting, class_weights
from lol_lightning.losses.weights.lf_weights import LF_WEIGHTS, LabeledVotes, LFWeighting, lf_weights

__all__ = ["LF_WEIGHTS", "ClassWeighting", "LFWeighting", "LabeledVotes", "class_weights", "lf_weights"]
