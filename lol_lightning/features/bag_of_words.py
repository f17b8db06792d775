"""BagOfWords: the words of a text, and those among them that LFs inspect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Float
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from torch import Tensor

from lol_lightning._files.plain import check_fields, check_list
from lol_lightning._files.state import check_tensor
from lol_lightning.exceptions import DataError, FeatureSpaceError, renamed_arguments
from lol_lightning.features.feature_space import FeatureSpace
from lol_lightning.features.joined_columns import columns_within
from lol_lightning.features.unsplit import warn_of_unsplit_texts
from lol_lightning.features.vectorizer_state import vectorizer_from_state, vectorizer_state
from lol_lightning.features.vocabulary import FOREIGN, FeatureMatch, VocabularyIndex
from lol_lightning.lfs.record import InspectedFeature
from lol_lightning.lfs.rows import Rows, texts_of
from lol_lightning.lfs.saying import say
from lol_lightning.lfs.words import TOKEN

__all__ = ["BagOfWords"]

BagT = TypeVar("BagT", bound="BagOfWords")

VocabularySource = Literal["texts", "setting", "fitted"]
"""Where the vocabulary comes from: training texts, the vectorizer's setting, or a vectorizer that was fitted before."""

_FREQUENCIES = ("observed_frequency", "document_frequency", "feature_scale")
_FIELDS = {
    "class": str,
    "column": str | int | float | list,
    "add_inspected": bool,
    "columns_within": list,
    "vocabulary_source": str,
    "vectorizer": Mapping,
    **dict.fromkeys(_FREQUENCIES, Tensor),
}


class BagOfWords(FeatureSpace):
    """A bag of words from any scikit-learn ``CountVectorizer`` or ``TfidfVectorizer``, sparse throughout.

    An unfitted vectorizer is cloned and fitted on the training texts. Words that the LFs inspect then join the
    vocabulary even where no training text holds them: with few rows most keywords occur in none, and the gradient
    penalty is what teaches the model about them. A fitted vectorizer, or one with a vocabulary of its own, is taken as
    it is.

    Args:
        vectorizer: fitted or not; by default binary counts of single words of any length, lower-cased, as
            ``lol_lightning.lfs.words.TOKEN`` cuts them: each Han character and each emoji is a word.
        text_column: column, attribute or key that holds the text. What LFs ask of another column is mapped, too, where
            the text holds that column on every training row, as one joined from title and body does.
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

    @renamed_arguments(column="text_column")
    def __init__(
        self,
        vectorizer: CountVectorizer | TfidfVectorizer | None = None,
        text_column: Any = "text",
        add_inspected: bool = True,
    ) -> None:
        if vectorizer is None:
            vectorizer = CountVectorizer(binary=True, token_pattern=TOKEN, dtype=np.float32)
        if not isinstance(vectorizer, CountVectorizer):
            raise FeatureSpaceError(
                f"BagOfWords needs a CountVectorizer or TfidfVectorizer, got {type(vectorizer).__name__}: "
                "the words that LFs inspect are looked up in its vocabulary."
            )
        self.vectorizer = vectorizer
        self.column = text_column
        self.add_inspected = add_inspected
        self._columns_within: list[str] = []

    @property
    def is_fitted(self) -> bool:
        """Whether ``fit`` was called."""
        return hasattr(self, "_index")

    @property
    def feature_names(self) -> list[str]:
        """The vocabulary, in the order of the columns."""
        self._check_fitted()
        return self._names

    @property
    def observed_frequency(self) -> Float[Tensor, " feature"]:
        """float32 (d,): proportion of the training texts with the word; 0 for words that joined later."""
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
        texts, inspected = texts_of(data, self.column), list(inspected)
        others = {feature.column for feature in inspected} - {None, str(self.column)}
        self._columns_within = columns_within(texts, data, map(str, others), self.vectorizer.lowercase)
        if self._columns_within:
            say(f"{self.column!r} holds the columns {self._columns_within}: what LFs ask of them is mapped to it.")
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
        warn_of_unsplit_texts(self.vectorizer_, texts)
        return matrix

    def check_rows(self, data: Rows) -> None:
        """Raise ``DataError`` where rows have no text in the column."""
        texts_of(data, self.column)

    def transform(self, data: Rows) -> sp.csr_matrix:
        """Return the features of rows, CSR float32 (n, d)."""
        self._check_fitted()
        return _csr(self.vectorizer_.transform(texts_of(data, self.column)))

    def map_feature(self, feature: InspectedFeature) -> FeatureMatch:
        """Find the vocabulary entries in which an inspected feature shows."""
        self._check_fitted()
        if not self._holds(feature):
            return FeatureMatch((), FOREIGN)
        return self._index.match(feature)

    def state(self) -> dict[str, Any]:
        """Return vectorizer, vocabulary and frequencies in plain types and tensors.

        Raises:
            NotFittedError: if the space is not fitted.
            ConfigurationError: if the class is not registered, or the vectorizer is a class of the user's or holds a
                function: only a pickle could keep it.
        """
        return {
            **super().state(),
            # The name of a column of several levels is a tuple, which files do not hold.
            "column": list(self.column) if isinstance(self.column, tuple) else self.column,
            "add_inspected": self.add_inspected,
            "columns_within": self._columns_within,
            "vocabulary_source": self._vocabulary_source(),
            "vectorizer": vectorizer_state(self.vectorizer_),
            "observed_frequency": self._observed_frequency,
            "document_frequency": self._document_frequency,
            "feature_scale": self._feature_scale,
        }

    @classmethod
    def from_state(cls: type[BagT], state: Mapping[str, Any]) -> BagT:
        """Build the bag of words again; it transforms and maps exactly as the first one.

        Raises:
            DataError: if the state does not fit the class.
        """
        # Files of version 0.1.0 lack the key.
        fields = check_fields({"columns_within": [], **state}, _FIELDS, f"the state of a {cls.__name__}")
        fitted, unfitted = vectorizer_from_state(fields["vectorizer"])
        source = fields["vocabulary_source"]
        if source not in get_args(VocabularySource):
            raise DataError(f"the state of a {cls.__name__} has vocabulary_source = {source!r:.80}.")
        if source == "setting":
            unfitted.set_params(vocabulary=fitted.vocabulary)
        column = tuple(fields["column"]) if isinstance(fields["column"], list) else fields["column"]
        space = cls(fitted if source == "fitted" else unfitted, column, fields["add_inspected"])
        space.vectorizer_ = fitted
        space._columns_within = check_list(fields["columns_within"], str, f"columns_within of a {cls.__name__}")
        space._index_names()
        for name in _FREQUENCIES:
            setattr(space, f"_{name}", check_tensor(fields[name], torch.float32, (space.num_features,), name))
        return space

    def _holds(self, feature: InspectedFeature) -> bool:
        """Whether the words of an inspected feature are words of the text."""
        return feature.column in (None, str(self.column), *self._columns_within)

    def _vocabulary_source(self) -> VocabularySource:
        if self.vectorizer_ is self.vectorizer:
            return "fitted"
        return "texts" if self.vectorizer.vocabulary is None else "setting"

    def _extend(self, matrix: sp.csr_matrix, texts: list[str], inspected: Iterable[InspectedFeature]) -> sp.csr_matrix:
        vocabulary = dict(self.vectorizer_.vocabulary_)
        analyze = self.vectorizer_.build_analyzer()
        for feature in inspected:
            if feature.kind in ("token", "prefix", "suffix", "substring") and self._holds(feature):
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
        self._index_names()
        present = np.bincount(matrix.indices, minlength=size)
        total = np.bincount(matrix.indices, weights=matrix.data, minlength=size)
        usual = total.sum() / max(present.sum(), 1) or 1.0
        scale = np.where(present > 0, total / np.maximum(present, 1), usual)
        self._observed_frequency = torch.from_numpy((present / max(rows, 1)).astype(np.float32))
        self._document_frequency = torch.from_numpy(((present + 1) / (rows + 2)).astype(np.float32))
        self._feature_scale = torch.from_numpy(scale.astype(np.float32))

    def _index_names(self) -> None:
        self._names: list[str] = self.vectorizer_.get_feature_names_out().tolist()
        self._index = VocabularyIndex(self.vectorizer_, self._names)


def _has_vocabulary(vectorizer: CountVectorizer) -> bool:
    return hasattr(vectorizer, "vocabulary_")


def _csr(matrix: Any) -> sp.csr_matrix:
    return sp.csr_matrix(matrix, dtype=np.float32)
