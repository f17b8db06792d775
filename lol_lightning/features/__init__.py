"""What a model reads, and which of its features a labeling function inspects."""

from lol_lightning.features.bag_of_words import BagOfWords
from lol_lightning.features.column_features import ColumnFeatures
from lol_lightning.features.embeddings import TextEmbeddings
from lol_lightning.features.encoder_features import encoder_features
from lol_lightning.features.feature_space import FeatureSpace, register_feature_space
from lol_lightning.features.state import feature_space_from_state
from lol_lightning.features.table import TableFeatures
from lol_lightning.features.token_rows import TokenRows
from lol_lightning.features.token_sequences import TokenSequences

__all__ = [
    "BagOfWords",
    "ColumnFeatures",
    "FeatureSpace",
    "TableFeatures",
    "TextEmbeddings",
    "TokenRows",
    "TokenSequences",
    "encoder_features",
    "feature_space_from_state",
    "register_feature_space",
]
