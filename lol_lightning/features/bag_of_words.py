"""Feature spaces: what a model reads, and where in it the features that LFs inspect are found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, TypeAlias, TypeVar

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Float
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from torch import Tensor

from lol_lightning.exceptions import FeatureSpaceError, NotFittedError
from lol_lightning.features.vocabulary import FOREIGN, FeatureMatch, VocabularyIndex
from lol_lightning.lfs.record import InspectedFeature
from lol_lightning.lfs.rows import Rows, texts_of

__all__ = ["BagOfWords", "FeatureSpace", "Matrix"]

Matrix: TypeAlias = "sp.csr_matrix | sp.csr_array | np.ndarray"
"""Features float32 (n, d), sparse or dense."""

SpaceT = TypeVar("SpaceT", bound="FeatureSpace")

TOKEN_PATTERN = r"(?u)\d+(?:[.,]\d+)+|\w+(?:['\u2019]\w+)*|[$€£¥%!?]"
"""Numbers with their decimals, words of any length with their apostrophes, and the marks that LFs ask for."""


class FeatureSpace(ABC):
    """What a model reads, and what a data module asks of it; fitted on the training rows only.

    A space of your own subclasses this and becomes a ``feature_space`` of any data module.
    """

    @property
    @abstractmethod
    def is_fitted(self) -> bool:
        """Whether ``fit`` has seen data."""

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
        """float32 (d,) in [0, 1]: share of the training rows in which each feature is present."""

    @property
    @abstractmethod
    def document_frequency(self) -> Float[Tensor, " feature"]:
        """float32 (d,) in (0, 1): ``(rows with the feature + 1) / (rows + 2)``, what models are smoothed with."""

    @property
    @abstractmethod
    def feature_scale(self) -> Float[Tensor, " feature"]:
        """float32 (d,): value that each feature has where it is present, the unit of its gradient targets."""

    @abstractmethod
    def fit_transform(self, data: Rows, inspected: Iterable[InspectedFeature] = ()) -> Matrix:
        """Learn the space from training rows (and make room for what the LFs inspect); return their features."""

    @abstractmethod
    def transform(self, data: Rows) -> Matrix:
        """Return the features of rows, float32 (n, d), sparse or dense."""

    @abstractmethod
    def map_feature(self, feature: InspectedFeature) -> FeatureMatch:
        """Find the features of this space in which an inspected feature shows."""

    def fit(self: SpaceT, data: Rows, inspected: Iterable[InspectedFeature] = ()) -> SpaceT:
        """Learn the space from training rows; see ``fit_transform``."""
        self.fit_transform(data, inspected)
        return self

    def _check_fitted(self) -> None:
        if not self.is_fitted:
            name = type(self).__name__
            raise NotFittedError(f"this {name} is not fitted; call fit(train) with the training rows first.")


class BagOfWords(FeatureSpace):
    """A bag of words from any scikit-learn ``CountVectorizer`` or ``TfidfVectorizer``, sparse throughout.

    An unfitted vectorizer is cloned and fitted on the training texts. Words that the LFs inspect then join the
    vocabulary even where no training text holds them: with few rows most keywords are unseen, and the gradient penalty
    is what teaches the model about them. A fitted vectorizer, or one with a given vocabulary, is taken as it is.

    Args:
        vectorizer: fitted or not; by default binary counts of single words of any length, lower-cased.
        column: column, attribute or key that holds the text.
        add_inspected: whether the inspected words join the vocabulary.

    Raises:
        FeatureSpaceError: if the vectorizer has no vocabulary (``HashingVectorizer``) or the vocabulary is empty.

    Example:
        >>> space = BagOfWords().fit(["subscribe to my channel", "nice song"])
        >>> space.feature_names
        ['channel', 'my', 'nice', 'song', 'subscribe', 'to']
        >>> space.map_feature(InspectedFeature("subscr", label=1))
        FeatureMatch(parts=((4,),), remark='mapped')
    """

    def __init__(
        self,
        vectorizer: CountVectorizer | TfidfVectorizer | None = None,
        column: str = "text",
        add_inspected: bool = True,
    ) -> None:
        if vectorizer is None:
            vectorizer = CountVectorizer(binary=True, token_pattern=TOKEN_PATTERN, dtype=np.float32)
        if not isinstance(vectorizer, CountVectorizer):
            raise FeatureSpaceError(
                f"BagOfWords needs a CountVectorizer or TfidfVectorizer, got {type(vectorizer).__name__}: "
                "the words that LFs inspect can only be found in a vocabulary."
            )
        self.vectorizer = vectorizer
        self.column = column
        self.add_inspected = add_inspected

    @property
    def is_fitted(self) -> bool:
        """Whether ``fit`` has seen data."""
        return hasattr(self, "_index")

    @property
    def feature_names(self) -> list[str]:
        """The vocabulary, in the order of the columns."""
        self._check_fitted()
        return self._names

    @property
    def observed_frequency(self) -> Float[Tensor, " feature"]:
        """float32 (d,): share of the training texts with the word; 0 for words that joined later."""
        self._check_fitted()
        return self._observed_frequency

    @property
    def document_frequency(self) -> Float[Tensor, " feature"]:
        """float32 (d,): ``(rows with the word + 1) / (rows + 2)`` over the training texts."""
        self._check_fitted()
        return self._document_frequency

    @property
    def feature_scale(self) -> Float[Tensor, " feature"]:
        """float32 (d,): mean stored value of a word where it is present; 1 for a binary bag."""
        self._check_fitted()
        return self._feature_scale

    def fit_transform(self, data: Rows, inspected: Iterable[InspectedFeature] = ()) -> sp.csr_matrix:
        """Learn vocabulary and frequencies from training rows and return their features.

        Args:
            data: training rows, a frame, data points or plain texts.
            inspected: features whose words join the vocabulary.

        Returns:
            CSR float32 (n, d).
        """
        texts = texts_of(data, self.column)
        if _has_vocabulary(self.vectorizer):
            self.vectorizer_ = self.vectorizer
            matrix = _csr(self.vectorizer_.transform(texts))
        else:
            self.vectorizer_ = clone(self.vectorizer)
            try:
                matrix = _csr(self.vectorizer_.fit_transform(texts))
            except ValueError as error:
                raise FeatureSpaceError(
                    f"no vocabulary comes out of {len(texts)} texts: {error}. Check the text column and the "
                    "vectorizer's token_pattern, stop_words, min_df and max_df."
                ) from error
            if self.add_inspected and self.vectorizer.vocabulary is None:
                matrix = self._extend(matrix, texts, inspected)
        self._learn(matrix)
        return matrix

    def transform(self, data: Rows) -> sp.csr_matrix:
        """Return the features of rows, CSR float32 (n, d)."""
        self._check_fitted()
        return _csr(self.vectorizer_.transform(texts_of(data, self.column)))

    def map_feature(self, feature: InspectedFeature) -> FeatureMatch:
        """Find the vocabulary entries in which an inspected feature shows."""
        self._check_fitted()
        if feature.column not in (None, self.column):
            return FeatureMatch((), FOREIGN)
        return self._index.match(feature)

    def _extend(self, matrix: sp.csr_matrix, texts: list[str], inspected: Iterable[InspectedFeature]) -> sp.csr_matrix:
        vocabulary = dict(self.vectorizer_.vocabulary_)
        analyze = self.vectorizer_.build_analyzer()
        for feature in inspected:
            if feature.kind in ("token", "prefix", "suffix", "substring") and feature.column in (None, self.column):
                for entry in analyze(feature.term):
                    vocabulary.setdefault(entry, len(vocabulary))
        if isinstance(self.vectorizer_, TfidfVectorizer) and not self.vectorizer_.smooth_idf:
            # Without smoothing, a word that no text holds would weigh infinitely.
            return matrix
        self.vectorizer_ = clone(self.vectorizer).set_params(vocabulary=vocabulary)
        if isinstance(self.vectorizer_, TfidfVectorizer):
            self.vectorizer_.fit(texts)
        return sp.csr_matrix((matrix.data, matrix.indices, matrix.indptr), shape=(matrix.shape[0], len(vocabulary)))

    def _learn(self, matrix: sp.csr_matrix) -> None:
        rows, size = matrix.shape
        if size == 0:
            raise FeatureSpaceError("the vectorizer's vocabulary is empty; fit it on texts that hold words.")
        self._names: list[str] = self.vectorizer_.get_feature_names_out().tolist()
        self._index = VocabularyIndex(self.vectorizer_, self._names)
        present = np.bincount(matrix.indices, minlength=size)
        total = np.bincount(matrix.indices, weights=matrix.data, minlength=size)
        usual = total.sum() / max(present.sum(), 1) or 1.0
        scale = np.where(present > 0, total / np.maximum(present, 1), usual)
        self._observed_frequency = torch.from_numpy((present / max(rows, 1)).astype(np.float32))
        self._document_frequency = torch.from_numpy(((present + 1) / (rows + 2)).astype(np.float32))
        self._feature_scale = torch.from_numpy(scale.astype(np.float32))


def _has_vocabulary(vectorizer: CountVectorizer) -> bool:
    return hasattr(vectorizer, "vocabulary_")


def _csr(matrix: Any) -> sp.csr_matrix:
    return sp.csr_matrix(matrix, dtype=np.float32)
