"""What a network of the user's own is told before it trains on something else than is meant."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning._lightning import rank_zero_info, rank_zero_warn
from lol_lightning.data.batch import Features, LoLBatch
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.features import FeatureSpace
from lol_lightning.features.token_rows import TokenRows
from lol_lightning.losses.penalties import Penalty
from lol_lightning.models.training_monitor import TrainingWarning

__all__ = [
    "ProbabilitiesWarning",
    "check_default_network",
    "check_tokens",
    "refuse_penalty_on_tokens",
    "say_if_nothing_is_demanded",
    "warn_of_probabilities",
]

_TOLERANCE = 1e-3


class ProbabilitiesWarning(TrainingWarning):
    """A network returns probabilities where logits are meant."""


def warn_of_probabilities(logits: Float[Tensor, "batch cls"]) -> None:
    """Warn if a network's outputs float (B, K) are not negative and sum to 1 in each row, as after a softmax."""
    sums = logits.detach().float().sum(1)
    if len(logits) and bool((logits >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=_TOLERANCE):
        rank_zero_warn(
            "The network's outputs are probabilities: they are not negative and sum to 1 in each row. It must return "
            "logits: the loss takes a softmax itself, after which no class would be likelier than "
            f"{math.e / (math.e + logits.shape[1] - 1):.2f}. Leave out its last softmax.",
            category=ProbabilitiesWarning,
        )


def say_if_nothing_is_demanded(penalty: Penalty | None, batch: LoLBatch) -> None:
    """Say that votes alone train where a penalty is to ask for something and the batches hold nothing to ask for.

    Raises:
        TargetsError: if they hold demands of another kind.
    """
    if penalty is not None and not penalty.has_demands(batch):
        rank_zero_info(
            "No LF makes a demand in these batches, so method='lol' trains with the votes alone, as 'lol-simple' does. "
            "Demands come from what LFs inspect: give the data module lfs= with code or features, or records=."
        )


def check_default_network(space: FeatureSpace) -> None:
    """Raise ``ConfigurationError`` if rows are sequences of tokens, which the default network cannot read."""
    if not space.num_features:
        raise ConfigurationError(
            f"the default network reads features, and the data is {space!r}: give a network over tokens, such as "
            "network='distilbert-base-uncased' or an nn.Module."
        )


def check_tokens(network: nn.Module, features: Any) -> None:
    """Check that a Hugging Face network can read the training rows, before it fails on one of them.

    Args:
        network: with a ``config``; others are not looked at.
        features: of the training rows.

    Raises:
        ConfigurationError: if they are no tokens, or the network has too few ids or places for them.
    """
    config = getattr(network, "config", None)
    vocabulary = getattr(config, "vocab_size", None)
    if not isinstance(vocabulary, int):
        return
    if not isinstance(features, TokenRows):
        raise ConfigurationError(
            f"the network {type(network).__name__} reads token ids, and the rows are features of the shape "
            f"{tuple(features.shape)}: use TokenDataModule(tokenizer=...), or feature_space=TokenSequences(tokenizer)."
        )
    if not len(features.ids):
        return
    if (largest := int(features.ids.max())) >= vocabulary:
        raise ConfigurationError(
            f"the tokenizer makes ids up to {largest}, and the network {type(network).__name__} has vocab_size = "
            f"{vocabulary}. Give the tokenizer that the network was trained with."
        )
    places = getattr(config, "max_position_embeddings", None)
    if isinstance(places, int) and (longest := int(features.lengths.max())) > places:
        raise ConfigurationError(
            f"there are texts of {longest} tokens, and the network {type(network).__name__} has places for {places} "
            f"(max_position_embeddings). Give the tokenizer max_length={places}, or less."
        )


def refuse_penalty_on_tokens(penalty: Penalty | None, features: Features) -> None:
    """Raise ``ConfigurationError`` if a penalty needs gradients in the input, and the input is token ids."""
    if penalty is not None and penalty.needs_second_derivative and isinstance(features, Mapping | TokenRows):
        raise ConfigurationError(
            f"{type(penalty).__name__} needs features that have a gradient, such as the words of a bag, and the "
            "batches hold token ids. Give penalty=InsertionPenalty() (lol_lightning.losses), which puts words into "
            "texts, or method='lol-simple'."
        )
