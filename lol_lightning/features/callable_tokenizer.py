"""A tokenizer that is a function of the user's own, or that does not tell where in a text its tokens stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.features.shortening import Span, shortened
from lol_lightning.features.text_tokenizers import TextTokenizer, TokenLists

__all__ = ["CallableTokenizer"]


class CallableTokenizer(TextTokenizer):
    """A function from texts to token ids, which does not tell where in the text they stand.

    Args:
        function: list of texts to a list of lists of ids, or to ``{"input_ids": lists, "token_type_ids": lists}``;
            places whose ``attention_mask`` is 0 are left out.
        source: name under which ``transformers.AutoTokenizer`` loads it again; empty for a function of the user's own.
    """

    def __init__(self, function: Callable[[list[str]], Any], source: str = "") -> None:
        self.function, self.source = function, source
        self.name = source or getattr(function, "__name__", type(function).__name__)
        self.pad_token_id = 0

    def tokenize(self, texts: Sequence[str], max_length: int, keep: Sequence[Span | None]) -> TokenLists:
        """Return token ids; texts that are too long lose words, on the side away from ``keep``."""
        ids, type_ids = self._call(texts)
        long = [row for row, tokens in enumerate(ids) if len(tokens) > max_length]
        if long:
            short = shortened([texts[row] for row in long], [keep[row] for row in long], max_length, self._count)
            short_ids, short_types = self._call(short)
            for number, row in enumerate(long):
                ids[row] = short_ids[number]
                if type_ids is not None and short_types is not None:
                    type_ids[row] = short_types[number]
        return TokenLists(ids, type_ids, len(long))

    def state(self) -> dict[str, Any]:
        """Return the name under which the tokenizer is loaded again."""
        if self.source:
            return {"kind": "name", "name": self.source}
        raise ConfigurationError(
            "its tokenizer is a function, which only code can build again. Give a reloaded model its feature space: "
            "model.feature_space = TokenSequences(function)."
        )

    def _count(self, texts: list[str]) -> list[int]:
        return [len(tokens) for tokens in self._call(texts)[0]]

    def _call(self, texts: Sequence[str]) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
        if not len(texts):
            return [], None
        output = self.function(list(texts))
        by_name = output if isinstance(output, Mapping) else {"input_ids": output}
        if "input_ids" not in by_name:
            raise DataError(f"the tokenizer returned {list(by_name)} without input_ids.")
        ids = _arrays(by_name["input_ids"], texts)
        types = _arrays(by_name["token_type_ids"], texts) if "token_type_ids" in by_name else None
        if "attention_mask" in by_name:
            masks = [mask > 0 for mask in _arrays(by_name["attention_mask"], texts)]
            ids = [row[mask] for row, mask in zip(ids, masks, strict=True)]
            types = None if types is None else [row[mask] for row, mask in zip(types, masks, strict=True)]
        return ids, types


def _arrays(rows: Any, texts: Sequence[str]) -> list[np.ndarray]:
    if isinstance(rows, str) or not hasattr(rows, "__len__") or len(rows) != len(texts):
        count = len(rows) if hasattr(rows, "__len__") else f"a {type(rows).__name__}"
        raise DataError(
            f"the tokenizer returned {count} rows for {len(texts)} texts; it must return one list for each."
        )
    arrays = []
    for row, text in zip(rows, texts, strict=True):
        values = np.asarray(row if len(row) else np.empty(0, dtype=np.int32))
        if values.ndim != 1 or values.dtype.kind not in "iu" or (values.size and values.min() < 0):
            raise DataError(
                f"the tokenizer made {row!r:.60} of {text!r:.60}; it must return a list of token ids, whole numbers "
                "from 0 on, for each text."
            )
        arrays.append(values.astype(np.int32))
    return arrays
