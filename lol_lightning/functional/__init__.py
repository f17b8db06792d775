"""The equations: tensors in, tensors out; no files, no Lightning, no Snorkel."""

from lol_lightning.functional.example_targets import ExampleTargets
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.gradients import model_input_gradient
from lol_lightning.functional.losses import gradient_penalty, vote_loss, weighted_penalty
from lol_lightning.functional.votes import ABSTAIN, soft_votes

__all__ = [
    "ABSTAIN",
    "ExampleTargets",
    "GradientTargets",
    "gradient_penalty",
    "model_input_gradient",
    "soft_votes",
    "vote_loss",
    "weighted_penalty",
]
