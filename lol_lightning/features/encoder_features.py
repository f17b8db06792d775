"""The features that are recommended where a pretrained encoder is at hand."""

from __future__ import annotations

from typing import Any

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.features.bag_of_words import BagOfWords
from lol_lightning.features.column_features import ColumnFeatures
from lol_lightning.features.embeddings import TextEmbeddings
from lol_lightning.features.feature_space import FeatureSpace

__all__ = ["MEANING_WEIGHT", "encoder_features", "space_of"]

MEANING_WEIGHT = 0.3
"""Chosen on validation rows of youtube, see docs/notes.md."""


def encoder_features(encoder: Any, text_column: str = "text", **options: Any) -> ColumnFeatures:
    """Return a bag of words and the embeddings of an encoder, side by side.

    The words take the LFs' demands (``GradientPenalty``); the embedding carries what was learnt to words that no row
    held. Its features weigh ``MEANING_WEIGHT``, so that a row has about as much of the one as of the other.

    Args:
        encoder: name or folder of a model, or a function from texts to an array (n, d); see ``TextEmbeddings``.
        text_column: column of the text.
        **options: others of ``TextEmbeddings``, such as ``cache_dir`` and ``progress_bar``.

    Example:
        >>> encoder_features(lambda texts: [[len(text)] for text in texts]).fit(["good", "so so"]).num_features
        3
    """
    return ColumnFeatures(
        {
            "words": BagOfWords(text_column=text_column),
            "meaning": TextEmbeddings(encoder, text_column=text_column, **options),
        },
        weights={"meaning": MEANING_WEIGHT},
    )


def space_of(encoder: Any, feature_space: FeatureSpace | None, text_column: str, **options: Any) -> FeatureSpace | None:
    """Return the feature space of arguments of which at most one is not ``None``.

    Raises:
        ConfigurationError: if both are there.
    """
    if encoder is None:
        return feature_space
    if feature_space is not None:
        raise ConfigurationError("encoder= makes the feature space; give one of encoder= and feature_space=.")
    return encoder_features(encoder, text_column, **options)
