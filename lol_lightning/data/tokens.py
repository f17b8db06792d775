"""TokenDataModule: rows and labeling functions to batches of token ids, for networks that read texts."""

from __future__ import annotations

import os
from typing import Any

from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.features.token_sequences import TokenSequences
from lol_lightning.lfs.rows import Rows

__all__ = ["TokenDataModule"]


class TokenDataModule(LoLDataModule):
    """A ``LoLDataModule`` whose batches hold what a tokenizer makes of the texts.

    ``batch.features`` is a dictionary of int64 (B, T): ``input_ids``, ``attention_mask`` and, where the tokenizer tells
    segments apart, ``token_type_ids``, padded to the longest text of the batch. ``LoLDataModule`` says what the other
    arguments mean; checkpoints hold the tokenizer, so that a model answers for new texts.

    Args:
        train: a DataFrame or a sequence of data points (objects, mappings or plain texts).
        val: rows for validation, with gold labels in ``label_column``.
        test: rows for the test, with gold labels.
        predict: rows for prediction; the LFs do not run on them.
        tokenizer: name or folder of a Hugging Face tokenizer, a loaded one, or a function from a list of texts to lists
            of token ids; see ``TokenSequences``.
        max_length: most tokens of a text, special ones included; by default the tokenizer's own, else 256.
        pad_token_id: id that fills batches; by default the tokenizer's own, and 0 for a function.
        pad_to_multiple_of: the width of a batch is a multiple of this; 8 is fastest on tensor cores.
        text_column: column, attribute or key that holds the text.
        **options: of ``LoLDataModule``, such as ``lfs``, ``votes``, ``records`` and ``batch_size``.

    Raises:
        ConfigurationError: if the tokenizer cannot be used, or the arguments contradict each other.

    Example:
        >>> from lol_lightning.lfs.rules import keyword_lf
        >>> words = {"win": 1, "a": 2, "prize": 3, "nice": 4, "song": 5}
        >>> def tokenize(texts):
        ...     return [[words[word] for word in text.split()] for text in texts]
        >>> lfs = [keyword_lf("prize", ["prize"], label=1), keyword_lf("song", ["song"], label=0)]
        >>> data = TokenDataModule(["win a prize", "nice song"], tokenizer=tokenize, lfs=lfs, progress_bar=False)
        >>> data.setup("fit")
        >>> data.dataset("train").__getitems__([0, 1]).features["input_ids"]
        tensor([[1, 2, 3],
                [4, 5, 0]])
    """

    def __init__(
        self,
        train: Rows | None = None,
        val: Rows | None = None,
        test: Rows | None = None,
        predict: Rows | None = None,
        *,
        tokenizer: Any,
        max_length: int | None = None,
        pad_token_id: int | None = None,
        pad_to_multiple_of: int = 1,
        text_column: str = "text",
        batch_size: int = 16,
        **options: Any,
    ) -> None:
        space = TokenSequences(tokenizer, text_column, max_length, pad_token_id, pad_to_multiple_of)
        super().__init__(
            train, val, test, predict, feature_space=space, text_column=text_column, batch_size=batch_size, **options
        )

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls, checkpoint_path: str | os.PathLike[str], predict: Rows | None = None, **overrides: Any
    ) -> LoLDataModule:
        """Rebuild a data module from a Lightning checkpoint, with its tokenizer: a ``LoLDataModule``, see there."""
        return LoLDataModule.load_from_checkpoint(checkpoint_path, predict, **overrides)
