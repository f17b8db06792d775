"""Which encoder a user means: a name, a folder, a loaded model or a function; models are loaded when needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn

from lol_lightning._files.digests import folder_digest
from lol_lightning._files.plain import read_json
from lol_lightning.exceptions import ConfigurationError, DataError, LoLError
from lol_lightning.features._extras import text_package
from lol_lightning.features.encoders import Encoder, Function, FunctionEncoder, SentenceEncoder, TransformerEncoder
from lol_lightning.features.token_pooling import Pooling

__all__ = ["EncoderLike", "NamedEncoder", "as_encoder"]

EncoderLike: TypeAlias = "str | Path | tuple[nn.Module, Any] | Function"
"""A name, a folder, a ``SentenceTransformer``, a model with its tokenizer, or a function."""

_CONTENT = (".json", ".txt", ".model", ".safetensors", ".bin", ".pt", ".py")
"""How names of files end that decide what a folder's encoder returns."""
_POOLING: dict[str, Pooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}


class NamedEncoder(Encoder):
    """An encoder by name or folder, which is loaded when it is first needed.

    sentence-transformers reads it, where that package is installed and the folder has its ``modules.json`` (or the name
    is no folder); else transformers does, with the pooling, length and normalization that the folder's files say. With
    a ``pooling`` of the user's, transformers does.

    Args:
        name: of a model on the Hugging Face hub, or a folder.
        pooling: how the vectors of tokens become one; ``None`` for what the folder says, else their mean.
        max_length: tokens that are read of a text; ``None`` for what the folder says.
        device: of the model; ``None`` for an accelerator, if there is one, else the CPU.

    Raises:
        ConfigurationError: if it is a path to a folder that is missing.
    """

    def __init__(
        self,
        name: str | Path,
        pooling: Pooling | None = None,
        max_length: int | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        self.name = str(Path(name).expanduser() if isinstance(name, Path) or str(name).startswith("~") else name)
        self.label = f"the encoder {self.name!r}"
        self.pooling, self._own_max_length, self.device = pooling, max_length, device
        self.is_folder = os.path.isdir(self.name)
        if not self.is_folder and (isinstance(name, Path) or _is_path(self.name)):
            raise ConfigurationError(
                f"{self.label} is missing: there is no such folder. Give a folder with a model, or the name of a model "
                'on the Hugging Face hub, such as "sentence-transformers/all-MiniLM-L6-v2".'
            )
        self._loaded: Encoder | None = None
        self._digest: str | None = None

    @property
    def is_loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._loaded is not None

    @property
    def identity(self) -> str:
        """A hash of the folder's files, without loading the model; of a name, what identifies the loaded model."""
        if not self.is_folder:
            return self._model().identity
        if self._digest is None:
            self._digest = folder_digest(self.name, _CONTENT, "a folder with an encoder", "Give the encoder again.")
        library = "sentence-transformers" if self._is_sentence_transformer() else "transformers"
        return f"{library} folder {self._digest} {self.pooling} {self._own_max_length}"

    @property
    def max_length(self) -> int | None:
        """Number of tokens that are read of a text."""
        return self._model().max_length

    def encode(self, texts: list[str]) -> Any:
        """Return the vectors (n, d)."""
        return self._model().encode(texts)

    def num_cut(self, texts: Sequence[str]) -> int:
        """Return how many of the texts have more tokens than are read."""
        return self._model().num_cut(texts)

    def __getstate__(self) -> dict[str, Any]:
        # Another process loads the model by its name.
        return {**vars(self), "_loaded": None}

    def _model(self) -> Encoder:
        if self._loaded is None:
            try:
                self._loaded = self._load_sentences() if self._is_sentence_transformer() else self._load_transformer()
            except (OSError, ValueError, KeyError) as error:
                if isinstance(error, LoLError):
                    raise
                lines = str(error).strip().splitlines() or [type(error).__name__]
                raise ConfigurationError(
                    f"{self.label} cannot be loaded: {lines[0]:.200} Give a folder with config, tokenizer and weights, "
                    "or a name on the Hugging Face hub; the first time, a name needs the network."
                ) from error
        return self._loaded

    def _is_sentence_transformer(self) -> bool:
        if self.pooling is not None or find_spec("sentence_transformers") is None:
            return False
        return not self.is_folder or (Path(self.name) / "modules.json").exists()

    def _load_sentences(self) -> Encoder:
        library = text_package("sentence_transformers", self.label)
        model = library.SentenceTransformer(self.name, device=str(self._device()))
        return SentenceEncoder(model, self._own_max_length, self.label)

    def _load_transformer(self) -> Encoder:
        library = text_package("transformers", self.label)
        tokenizer = library.AutoTokenizer.from_pretrained(self.name)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        model = library.AutoModel.from_pretrained(self.name).to(self._device()).eval()
        folder = Path(self.name) if self.is_folder else _settings_of(self.name)
        length = self._own_max_length or _length_of(folder)
        pooling = self.pooling or _pooling_of(folder, self.label)
        return TransformerEncoder(model, tokenizer, pooling, length, _normalizes(folder), self.label)

    def _device(self) -> torch.device:
        if self.device is not None:
            return torch.device(self.device)
        accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        return torch.device("cpu") if accelerator is None else torch.device(accelerator.type)


def as_encoder(
    encoder: EncoderLike,
    pooling: Pooling | None = None,
    max_length: int | None = None,
    device: str | torch.device | None = None,
    cache_key: str | None = None,
) -> Encoder:
    """Return the encoder that a user means; a loaded model goes to ``device`` where one is named.

    Raises:
        ConfigurationError: if it is no encoder, or has its own way of what an argument sets.
    """
    if isinstance(encoder, str | Path):
        return NamedEncoder(encoder, pooling, max_length, device)
    if isinstance(encoder, tuple) and len(encoder) == 2 and isinstance(encoder[0], nn.Module):
        model, tokenizer = encoder
        return TransformerEncoder(_moved(model, device), tokenizer, pooling or "mean", max_length)
    if any(cls.__name__ == "SentenceTransformer" for cls in type(encoder).__mro__):
        if pooling is not None:
            raise ConfigurationError(
                f"pooling = {pooling!r}, but a SentenceTransformer pools by itself. Leave it out, or give the name of "
                "the model."
            )
        return SentenceEncoder(_moved(encoder, device), max_length)
    if isinstance(encoder, nn.Module):
        raise ConfigurationError(
            f"the encoder {type(encoder).__name__} is a model without a tokenizer: give the pair (model, tokenizer)."
        )
    if not callable(encoder):
        raise ConfigurationError(
            f"encoder = {encoder!r:.80}; give a name on the Hugging Face hub, a folder, a SentenceTransformer, a pair "
            "(model, tokenizer) or a function from a list of texts to an array (n, d)."
        )
    for name, value in {"pooling": pooling, "max_length": max_length, "device": device}.items():
        if value is not None:
            raise ConfigurationError(f"{name} = {value!r}, but the encoder is a function, which decides that itself.")
    return FunctionEncoder(encoder, cache_key)


def _moved(model: Any, device: str | torch.device | None) -> Any:
    return model if device is None else model.to(device)


def _is_path(name: str) -> bool:
    return os.path.isabs(name) or name.startswith(".") or name.count("/") + name.count(os.sep) * (os.sep != "/") > 1


def _settings_of(name: str) -> Path:
    """Return a folder with the files of a name on the hub that say how sentence-transformers pools."""
    hub = text_package("huggingface_hub", f"the encoder {name!r}")
    files = ["modules.json", "sentence_bert_config.json", "*_Pooling/config.json"]
    return Path(hub.snapshot_download(name, allow_patterns=files))


def _json_of(path: Path) -> Any:
    return read_json(path, "a file of an encoder") if path.exists() else {}


def _pooling_of(folder: Path, label: str) -> Pooling:
    """Return the pooling that a folder of sentence-transformers says, else the mean."""
    config = _json_of(folder / "1_Pooling" / "config.json")
    if not isinstance(config, dict):
        raise DataError(f"{folder / '1_Pooling' / 'config.json'} holds a {type(config).__name__}, not an object.")
    modes = [name for name, value in config.items() if name.startswith("pooling_mode_") and value is True]
    modes += [f"pooling_mode_{mode}" for mode in [config.get("pooling_mode")] if isinstance(mode, str)]
    names = {**_POOLING, **{f"pooling_mode_{pooling}": pooling for pooling in _POOLING.values()}}
    if not modes:
        return "mean"
    if len(modes) > 1 or modes[0] not in names:
        raise ConfigurationError(
            f"{label} pools by {modes}, which sentence-transformers alone can: "
            'pip install "lol-lightning[text]", or choose pooling="mean".'
        )
    return names[modes[0]]


def _length_of(folder: Path) -> int | None:
    config = _json_of(folder / "sentence_bert_config.json")
    length = config.get("max_seq_length") if isinstance(config, dict) else None
    return length if isinstance(length, int) and length > 0 else None


def _normalizes(folder: Path) -> bool:
    modules = _json_of(folder / "modules.json")
    return isinstance(modules, list) and any(str(module.get("type", "")).endswith("Normalize") for module in modules)
