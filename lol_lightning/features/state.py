"""From the state of a feature space, which a checkpoint or a file holds, back to the feature space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lol_lightning.exceptions import DataError, LoLError
from lol_lightning.features.bag_of_words import BagOfWords
from lol_lightning.features.column_features import ColumnFeatures
from lol_lightning.features.embeddings import TextEmbeddings
from lol_lightning.features.feature_space import REGISTERED, FeatureSpace, register_feature_space
from lol_lightning.features.table import TableFeatures
from lol_lightning.features.token_sequences import TokenSequences

__all__ = ["feature_space_from_state"]

for _cls in (BagOfWords, ColumnFeatures, TableFeatures, TextEmbeddings, TokenSequences):
    register_feature_space(_cls)


def feature_space_from_state(state: Mapping[str, Any]) -> FeatureSpace:
    """Build the feature space again whose ``state()`` this is; it equals the first one in all that it answers.

    Raises:
        DataError: if the state is broken, or its class is not registered in this process.

    Example:
        >>> space = BagOfWords().fit(["subscribe to my channel", "nice song"])
        >>> again = feature_space_from_state(space.state())
        >>> again.feature_names == space.feature_names
        True
    """
    name = state.get("class") if isinstance(state, Mapping) else None
    if not isinstance(name, str):
        raise DataError(f"this is no state of a feature space, but a {type(state).__name__} without a class.")
    if name not in REGISTERED:
        raise DataError(
            f"the state is of a feature space of the class {name!r}, which is not registered here. Import the module "
            "that defines it, and decorate the class with lol_lightning.features.register_feature_space."
        )
    try:
        return REGISTERED[name].from_state(state)
    except LoLError:
        raise
    except Exception as error:  # The state comes from a file, and the class may be the user's.
        raise DataError(f"the state of a feature space {name} is broken: {error!r}.") from error
