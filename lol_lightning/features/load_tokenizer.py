"""From what a user gives as a tokenizer, or from its state, to a ``TextTokenizer``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from lol_lightning._files.plain import check_fields
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.features._extras import text_package
from lol_lightning.features.callable_tokenizer import CallableTokenizer
from lol_lightning.features.text_tokenizers import FastTokenizer, TextTokenizer

__all__ = ["as_tokenizer", "tokenizer_from_state"]

_SANE_LENGTH = 1_000_000
"""Tokenizers of Hugging Face without a length of their own name a larger one."""

_FIELDS: dict[Any, dict[str, Any]] = {
    "json": {"kind": str, "name": str, "content": str, "cut_left": bool},
    "name": {"kind": str, "name": str},
}


def as_tokenizer(tokenizer: Any) -> TextTokenizer:
    """Return a tokenizer behind the interface that ``TokenSequences`` speaks.

    Args:
        tokenizer: see ``TokenSequences``.

    Raises:
        ConfigurationError: if it is none, or the package that it needs is not installed.
    """
    if isinstance(tokenizer, TextTokenizer):
        return tokenizer
    if isinstance(tokenizer, str):
        auto = text_package("transformers", f"the tokenizer {tokenizer!r}").AutoTokenizer
        return _of_transformers(auto.from_pretrained(tokenizer))
    if hasattr(tokenizer, "encode_batch") and hasattr(tokenizer, "to_str"):
        return FastTokenizer(tokenizer)
    if hasattr(tokenizer, "model_max_length"):
        return _of_transformers(tokenizer)
    if not callable(tokenizer):
        raise ConfigurationError(
            f"tokenizer = {tokenizer!r:.60} is of the type {type(tokenizer).__name__}: give the name or folder of a "
            "Hugging Face tokenizer, a loaded one, or a function from texts to lists of token ids."
        )
    return CallableTokenizer(tokenizer)


def tokenizer_from_state(state: Mapping[str, Any], where: str) -> TextTokenizer:
    """Build a tokenizer again from what its ``state`` returned.

    Args:
        state: of the tokenizer.
        where: what it is, for the message.

    Raises:
        DataError: if the state is broken.
        ConfigurationError: if a package that the tokenizer needs is not installed.
    """
    kind = state.get("kind")
    if kind not in _FIELDS:
        raise DataError(f"{where} is of the kind {kind!r:.40}.")
    fields = check_fields(state, _FIELDS[kind], where)
    if kind == "name":
        return as_tokenizer(fields["name"])
    tokenizers = text_package("tokenizers", "a reloaded tokenizer")
    return FastTokenizer(tokenizers.Tokenizer.from_str(fields["content"]), fields["name"], fields["cut_left"])


def _of_transformers(tokenizer: Any) -> TextTokenizer:
    name = str(tokenizer.name_or_path)
    wrapped: TextTokenizer
    if tokenizer.is_fast:
        wrapped = FastTokenizer(tokenizer.backend_tokenizer, name, tokenizer.truncation_side == "left")
    else:
        wrapped = CallableTokenizer(partial(_ids_of, tokenizer), name)
    wrapped.pad_token_id = tokenizer.pad_token_id
    wrapped.padding_side = tokenizer.padding_side
    if tokenizer.model_max_length < _SANE_LENGTH:
        wrapped.max_length = int(tokenizer.model_max_length)
    return wrapped


def _ids_of(tokenizer: Callable[..., Any], texts: list[str]) -> Any:
    return tokenizer(texts, truncation=False, padding=False, return_attention_mask=False, verbose=False)
