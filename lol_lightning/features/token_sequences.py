"""TokenSequences: texts as the token ids that a transformer, or any network over tokens, reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lol_lightning._files.plain import check_fields
from lol_lightning._lightning import rank_zero_info
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.features.feature_space import FeatureSpace
from lol_lightning.features.load_tokenizer import as_tokenizer, tokenizer_from_state
from lol_lightning.features.shortening import Span
from lol_lightning.features.token_rows import Padding, TokenRows
from lol_lightning.features.vocabulary import FOREIGN, FeatureMatch
from lol_lightning.lfs.record import InspectedFeature
from lol_lightning.lfs.rows import Rows, texts_of

__all__ = ["TokenSequences"]

SpaceT = TypeVar("SpaceT", bound="TokenSequences")

_FIELDS = {
    "class": str,
    "text_column": str,
    "max_length": int,
    "pad_token_id": int,
    "padding_side": str,
    "pad_to_multiple_of": int,
    "tokenizer": Mapping,
}


class TokenSequences(FeatureSpace):
    """The token ids of a text column, which a network over tokens reads as a dictionary of padded tensors.

    Nothing is fitted. No gradient can be asked of a token id, so what the LFs inspect is asked for by
    ``InsertionPenalty``, which puts words into the texts.

    A text that is too long loses tokens at its end, or where the tokenizer says so at its beginning; special tokens
    stay. A text without any token becomes one padding token that is attended to.

    Args:
        tokenizer: name or folder of a Hugging Face tokenizer; a tokenizer that is loaded, of ``transformers`` or
            ``tokenizers``; or a function from a list of texts to a list of lists of token ids, or to a dictionary of
            such lists (``input_ids``, and ``token_type_ids`` where the network reads them).
        text_column: column, attribute or key that holds the text.
        max_length: most tokens of a text, special ones included; by default the tokenizer's own, else 256.
        pad_token_id: id that fills batches; by default the tokenizer's own, and 0 for a function.
        pad_to_multiple_of: the width of a batch is a multiple of this.

    Raises:
        ConfigurationError: if the tokenizer cannot be used, has no padding token, or leaves no room within
            ``max_length``.

    Example:
        >>> def letters(texts):
        ...     return [[ord(letter) - 96 for letter in text] for text in texts]
        >>> space = TokenSequences(letters, max_length=3)
        >>> space.transform(["ab", "c"]).batch()["input_ids"]
        tensor([[1, 2],
                [3, 0]])
        >>> space
        TokenSequences('letters', text_column='text', max_length=3)
    """

    def __init__(
        self,
        tokenizer: Any,
        text_column: str = "text",
        max_length: int | None = None,
        pad_token_id: int | None = None,
        pad_to_multiple_of: int = 1,
    ) -> None:
        self.tokenizer = as_tokenizer(tokenizer)
        self.text_column = text_column
        self.max_length = self.tokenizer.max_length if max_length is None else max_length
        self.pad_token_id = self.tokenizer.pad_token_id if pad_token_id is None else pad_token_id
        self.pad_to_multiple_of = pad_to_multiple_of
        self._padding_side = self.tokenizer.padding_side
        self._is_told = False
        for name, least in (("max_length", 1), ("pad_token_id", 0), ("pad_to_multiple_of", 1)):
            value = getattr(self, name)
            if value is None:
                raise ConfigurationError(
                    f"the tokenizer {self.tokenizer.name!r} has no padding token: give pad_token_id=, the one that the "
                    "network's config names, or set tokenizer.pad_token = tokenizer.eos_token in both."
                )
            if value < least:
                raise ConfigurationError(f"{name} = {value} must be at least {least}.")
        if (special := self.tokenizer.num_special) >= self.max_length:
            raise ConfigurationError(
                f"max_length = {self.max_length} leaves no room: the tokenizer adds {special} special tokens to a text."
            )

    @property
    def is_fitted(self) -> bool:
        """True: there is nothing to fit."""
        return True

    @property
    def feature_names(self) -> list[str]:
        """None: places of tokens have no names."""
        return []

    @property
    def interpretable(self) -> bool:
        """False: token ids are no quantities, so there is no gradient in them."""
        return False

    @property
    def text_columns(self) -> list[str]:
        """The text column."""
        return [self.text_column]

    @property
    def observed_frequency(self) -> Float[Tensor, " feature"]:
        """float32 (0,)."""
        return torch.zeros(0)

    @property
    def document_frequency(self) -> Float[Tensor, " feature"]:
        """float32 (0,)."""
        return torch.zeros(0)

    @property
    def feature_scale(self) -> Float[Tensor, " feature"]:
        """float32 (0,)."""
        return torch.ones(0)

    def fit_transform(self, data: Rows, inspected: Iterable[InspectedFeature] = ()) -> TokenRows:
        """Return the tokens of training rows."""
        return self.transform(data)

    def transform_keeping(self, data: Rows, spans: Sequence[Span]) -> TokenRows:
        """Return the tokens of rows, those of a span of each text included; see ``transform``."""
        return self.transform(data, keep=spans)

    def transform(self, data: Rows, keep: Sequence[Span | None] | None = None) -> TokenRows:
        """Return the tokens of rows, n of them.

        Args:
            data: rows with the text column, or texts.
            keep: for each row, characters (start, end) of its text that must not be cut off: where they would be,
                tokens around them stay instead. Functions do not tell where their tokens stand; there, words are left
                out on the side away from these characters. Empty spans and ``None`` ask for nothing.

        Raises:
            DataError: if a text is missing, the tokenizer returns no token ids, there is not one span for each row, or
                a span has more tokens than there is room for.
        """
        texts = texts_of(data, self.text_column)
        spans = [None] * len(texts) if keep is None else [span if span and span[0] < span[1] else None for span in keep]
        if len(spans) != len(texts):
            raise DataError(f"keep= holds {len(spans)} spans for {len(texts)} texts; give one for each.")
        lists = self.tokenizer.tokenize(texts, self.max_length, spans)
        if lists.num_shortened and not self._is_told:
            self._is_told = True
            rank_zero_info(
                f"{lists.num_shortened} of {len(texts)} texts have more than max_length = {self.max_length} tokens and "
                "are shortened."
            )
        ids, type_ids = lists.ids, lists.type_ids
        for row, tokens in enumerate(ids):
            if not len(tokens):  # Attention over no token at all is not defined.
                ids[row] = np.array([self.pad_token_id], dtype=np.int32)
                if type_ids is not None:
                    type_ids[row] = np.zeros(1, dtype=np.int32)
        padding = Padding(self.pad_token_id or 0, self._padding_side, self.pad_to_multiple_of)
        return TokenRows.from_lists(ids, type_ids, padding)

    def map_feature(self, feature: InspectedFeature) -> FeatureMatch:
        """Return no entry."""
        return FeatureMatch((), FOREIGN)

    def check_rows(self, data: Rows) -> None:
        """Raise ``DataError`` where a row holds no text."""
        texts_of(data, self.text_column)

    def reads_like(self, other: FeatureSpace) -> bool:
        """Whether both have the same tokenizer; functions cannot be compared."""
        if not isinstance(other, TokenSequences) or type(self.tokenizer) is not type(other.tokenizer):
            return False
        try:
            states = [space.tokenizer.state() for space in (self, other)]
        except ConfigurationError:
            return True
        # One folder may hold the tokenizer of another name.
        own, others = ({**state, "name": ""} if "content" in state else state for state in states)
        return own == others

    def state(self) -> dict[str, Any]:
        """Return the tokenizer and its settings in plain types.

        Raises:
            ConfigurationError: if the class is not registered, or the tokenizer is a function.
        """
        return {
            **super().state(),
            "text_column": self.text_column,
            "max_length": self.max_length,
            "pad_token_id": self.pad_token_id,
            "padding_side": self._padding_side,
            "pad_to_multiple_of": self.pad_to_multiple_of,
            "tokenizer": self.tokenizer.state(),
        }

    @classmethod
    def from_state(cls: type[SpaceT], state: Mapping[str, Any]) -> SpaceT:
        """Build the space again; it makes the same tokens of every text.

        Raises:
            DataError: if the state does not fit the class.
            ConfigurationError: if a package that the tokenizer needs is not installed.
        """
        where = f"the state of a {cls.__name__}"
        fields = check_fields(state, _FIELDS, where)
        tokenizer = tokenizer_from_state(fields["tokenizer"], f"the tokenizer in {where}")
        names = ("text_column", "max_length", "pad_token_id", "pad_to_multiple_of")
        space = cls(tokenizer, **{name: fields[name] for name in names})
        space._padding_side = fields["padding_side"]
        return space

    def __repr__(self) -> str:
        settings = f"text_column={self.text_column!r}, max_length={self.max_length}"
        return f"{type(self).__name__}({self.tokenizer.name!r:.60}, {settings})"
