"""What TokenSequences asks of a tokenizer, and tokenizers that tell where in a text their tokens stand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lol_lightning.exceptions import DataError
from lol_lightning.features.shortening import Span, window_start

__all__ = ["FastTokenizer", "TextTokenizer", "TokenLists"]

USUAL_LENGTH = 256
"""Most tokens of a text where neither the user nor the tokenizer says how many."""
_TEXTS = 1024
"""Texts that are tokenized at a time: what a tokenizer returns takes more memory than the ids that are kept."""


class TokenLists(NamedTuple):
    """Token ids of texts."""

    ids: list[np.ndarray]
    """int32, one array for each text."""
    type_ids: list[np.ndarray] | None
    """int32, segments of the same tokens, where the tokenizer tells them."""
    num_shortened: int
    """Number of texts that lost tokens."""


class TextTokenizer(ABC):
    """What ``TokenSequences`` asks of a tokenizer."""

    name: str = ""
    pad_token_id: int | None = None
    padding_side: str = "right"
    max_length: int = USUAL_LENGTH
    num_special: int = 0

    @abstractmethod
    def tokenize(self, texts: Sequence[str], max_length: int, keep: Sequence[Span | None]) -> TokenLists:
        """Return the token ids of texts, at most ``max_length`` each, with the tokens of ``keep`` among them.

        Raises:
            DataError: if the tokens of ``keep`` by themselves are more.
        """

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Return the tokenizer in plain types.

        Raises:
            ConfigurationError: if only code could build it again.
        """

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"


class FastTokenizer(TextTokenizer):
    """A tokenizer of the package ``tokenizers``, which tells where in the text each token stands.

    Args:
        backend: ``tokenizers.Tokenizer``; a copy is kept.
        name: of the model, for ``repr``.
        cut_left: whether texts are shortened at their beginning.
    """

    def __init__(self, backend: Any, name: str = "", cut_left: bool = False) -> None:
        self.name, self.cut_left = name, cut_left
        padding, truncation = backend.padding or {}, backend.truncation or {}
        ids = (padding.get("pad_id"), backend.token_to_id("[PAD]"), backend.token_to_id("<pad>"))
        self.pad_token_id = next((token_id for token_id in ids if token_id is not None), None)
        self.padding_side = padding.get("direction", "right")
        self.max_length = truncation.get("max_length", USUAL_LENGTH)
        self.num_special = backend.num_special_tokens_to_add(False)
        self.backend = type(backend).from_str(backend.to_str())
        self.backend.no_padding()
        self.backend.no_truncation()

    def tokenize(self, texts: Sequence[str], max_length: int, keep: Sequence[Span | None]) -> TokenLists:
        """Return token ids; special tokens, such as [CLS] and [SEP], stay at both ends of what is kept."""
        ids, type_ids, num_shortened = [], [], 0
        for start in range(0, len(texts), _TEXTS):
            encodings = self.backend.encode_batch(list(texts[start : start + _TEXTS]))
            for row, encoding in enumerate(encodings, start):
                own, types = encoding.ids, encoding.type_ids
                if len(own) > max_length:
                    num_shortened += 1
                    places = _kept_places(encoding, max_length, keep[row], self.cut_left, texts[row])
                    own, types = ([values[place] for place in places] for values in (own, types))
                ids.append(np.array(own, dtype=np.int32))
                type_ids.append(np.array(types, dtype=np.int32))
        return TokenLists(ids, type_ids, num_shortened)

    def state(self) -> dict[str, Any]:
        """Return the tokenizer as JSON of its own."""
        return {"kind": "json", "name": self.name, "content": self.backend.to_str(), "cut_left": self.cut_left}


def _kept_places(encoding: Any, max_length: int, keep: Span | None, cut_left: bool, text: str) -> list[int]:
    """Positions of the tokens that stay, special ones among them."""
    special = np.array(encoding.special_tokens_mask, dtype=bool)
    content = np.flatnonzero(~special)
    room = max_length - int(special.sum())
    window: Span | None = None
    if keep is not None:
        offsets = np.array(encoding.offsets)[content]
        touched = np.flatnonzero((offsets[:, 0] < keep[1]) & (offsets[:, 1] > keep[0]))
        window = (int(touched[0]), int(touched[-1]) + 1) if len(touched) else None
    if window is not None and window[1] - window[0] > room:
        raise DataError(
            f"{text[slice(*keep)]!r:.60} are {window[1] - window[0]} tokens, and max_length = {max_length} leaves room "  # type: ignore[misc]
            f"for {room}. Raise max_length=."
        )
    start = window_start(len(content), room, window, cut_left)
    special[content[start : start + room]] = True
    return np.flatnonzero(special).tolist()
