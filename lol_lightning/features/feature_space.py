"""FeatureSpace: what a model reads, and which of its features an LF inspects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float
from torch import Tensor

from lol_lightning.exceptions import ConfigurationError, NotFittedError
from lol_lightning.features.vocabulary import FeatureMatch
from lol_lightning.lfs.record import InspectedFeature
from lol_lightning.lfs.rows import Rows

__all__ = ["REGISTERED", "FeatureSpace", "Matrix", "check_feature_space", "register_feature_space"]

Matrix: TypeAlias = "sp.csr_matrix | sp.csr_array | np.ndarray"
"""Features float32 (n, d), sparse or dense."""

SpaceT = TypeVar("SpaceT", bound="FeatureSpace")

REGISTERED: dict[str, type[FeatureSpace]] = {}
"""Classes by the name that stands in a state."""


class FeatureSpace(ABC):
    """What a model reads, and what a data module asks of it; fitted on the training rows only.

    A space of your own subclasses this and becomes a ``feature_space`` of any data module. To be part of checkpoints
    and of ``model.save``, it extends ``state`` and ``from_state`` and is registered with ``register_feature_space``.
    """

    @property
    @abstractmethod
    def is_fitted(self) -> bool:
        """Whether ``fit`` was called."""

    @property
    @abstractmethod
    def feature_names(self) -> list[str]:
        """Names of the d features."""

    @property
    def num_features(self) -> int:
        """Number of features, d."""
        return len(self.feature_names)

    @property
    @abstractmethod
    def observed_frequency(self) -> Float[Tensor, " feature"]:
        """float32 (d,) in [0, 1]: proportion of the training rows in which each feature is present.

        Models are smoothed with it: samples that hold feature j with this chance have as many features as rows have.
        """

    @property
    @abstractmethod
    def document_frequency(self) -> Float[Tensor, " feature"]:
        """float32 (d,) in (0, 1): ``(rows with the feature + 1) / (rows + 2)``, for products of chances."""

    @property
    @abstractmethod
    def feature_scale(self) -> Float[Tensor, " feature"]:
        """float32 (d,): value that each feature has where it is present, the unit of its gradient targets."""

    @property
    def interpretable(self) -> bool:
        """Whether single features stand for words or columns, so that gradient targets can be asked of them."""
        return True

    @property
    def text_columns(self) -> list[str]:
        """Columns whose text this space reads; a penalty that inserts words puts them there."""
        return []

    @abstractmethod
    def fit_transform(self, data: Rows, inspected: Iterable[InspectedFeature] = ()) -> Matrix:
        """Learn the space from training rows (and make room for what the LFs inspect); return their features."""

    @abstractmethod
    def transform(self, data: Rows) -> Matrix:
        """Return the features of rows, float32 (n, d), sparse or dense."""

    def transform_keeping(self, data: Rows, spans: Sequence[tuple[int, int]]) -> Any:
        """Return the features of rows; a space that shortens long texts keeps a span of each.

        Args:
            data: n rows.
            spans: first character and end of what must stay in each row's text.
        """
        return self.transform(data)

    @abstractmethod
    def map_feature(self, feature: InspectedFeature) -> FeatureMatch:
        """Find the features of this space in which an inspected feature shows."""

    def fit(self: SpaceT, data: Rows, inspected: Iterable[InspectedFeature] = ()) -> SpaceT:
        """Learn the space from training rows; see ``fit_transform``."""
        self.fit_transform(data, inspected)
        return self

    def check_rows(self, data: Rows) -> None:  # noqa: B027 - a space of one's own need not check
        """Raise ``DataError`` where rows cannot be read, before LFs run for minutes on them; by default nothing."""

    def reads_like(self, other: FeatureSpace) -> bool:
        """Whether a model that was trained on the features of one of two fitted spaces can read those of the other."""
        return self.feature_names == other.feature_names

    def state(self) -> dict[str, Any]:
        """Return all that the fitted space holds, in plain types and tensors, as checkpoints and files carry it.

        A class of your own adds its values to those of ``super().state()``: str, int, float, bool, None, tensors, and
        lists and dicts of these.

        Raises:
            NotFittedError: if the space is not fitted.
            ConfigurationError: if the class is not registered, or a value is not plain.
        """
        self._check_fitted()
        cls = type(self)
        if not _same(REGISTERED.get(cls.__name__), cls):
            raise ConfigurationError(
                f"the feature space {cls.__name__} cannot be saved with a model, because its class is not registered. "
                f"Write {cls.__name__}.state, which adds its values to super().state(), and the classmethod "
                "from_state(state), which builds the space again, and decorate the class with "
                "lol_lightning.features.register_feature_space."
            )
        return {"class": cls.__name__}

    @classmethod
    def from_state(cls: type[SpaceT], state: Mapping[str, Any]) -> SpaceT:
        """Build a fitted space from what ``state`` returned.

        Raises:
            DataError: if the state does not fit the class.
        """
        raise ConfigurationError(f"{cls.__name__} has no from_state; write it beside its state.")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({f'{self.num_features} features' if self.is_fitted else 'not fitted'})"

    def _check_fitted(self) -> None:
        if not self.is_fitted:
            name = type(self).__name__
            raise NotFittedError(f"this {name} is not fitted; call fit(train) with the training rows first.")


def register_feature_space(cls: type[SpaceT]) -> type[SpaceT]:
    """Register a feature space, so that checkpoints and files can hold it; a decorator of the class.

    A file names the class: import its module before you load a model in another process.

    Raises:
        ConfigurationError: if the class lacks ``state`` or ``from_state``, or another class has the same name.

    Example:
        >>> from lol_lightning.features import BagOfWords, feature_space_from_state
        >>> @register_feature_space
        ... class Comments(BagOfWords):
        ...     pass
        >>> state = Comments(text_column="comment").fit(["my song"]).state()
        >>> type(feature_space_from_state(state)).__name__
        'Comments'
    """
    for name in ("state", "from_state"):
        own, inherited = (getattr(owner, name) for owner in (cls, FeatureSpace))
        if getattr(own, "__func__", own) is getattr(inherited, "__func__", inherited):
            raise ConfigurationError(f"the feature space {cls.__name__} has no {name} of its own; write one.")
    other = REGISTERED.get(cls.__name__)
    if other is not None and not _same(other, cls):
        raise ConfigurationError(
            f"another feature space, of {other.__module__}, is registered as {cls.__name__}; rename the class."
        )
    REGISTERED[cls.__name__] = cls
    return cls


def _same(one: type | None, other: type) -> bool:
    """Whether two classes have one definition, which a notebook may have run twice."""
    return one is not None and (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


def check_feature_space(space: Any) -> None:
    """Raise ``ConfigurationError`` unless a ``feature_space`` is one, or ``None``.

    Example:
        >>> from sklearn.feature_extraction.text import CountVectorizer
        >>> check_feature_space(CountVectorizer())
        Traceback (most recent call last):
        ...
        lol_lightning.exceptions.ConfigurationError: feature_space is a CountVectorizer; give BagOfWords(vectorizer).
    """
    if space is None or isinstance(space, FeatureSpace):
        return
    if isinstance(space, type):
        raise ConfigurationError(f"feature_space is the class {space.__name__}; give an object: {space.__name__}().")
    cure = "BagOfWords(vectorizer)" if hasattr(space, "build_analyzer") else "BagOfWords() or TableFeatures()"
    raise ConfigurationError(f"feature_space is a {type(space).__name__}; give {cure}.")
