"""A fitted scikit-learn text vectorizer in plain types, without pickle, and back."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from torch import Tensor

from lol_lightning._files.plain import check_fields, check_list
from lol_lightning._files.state import check_tensor
from lol_lightning.exceptions import ConfigurationError, DataError

__all__ = ["Vectorizers", "vectorizer_from_state", "vectorizer_state"]

_CLASSES: dict[str, type[CountVectorizer]] = {"CountVectorizer": CountVectorizer, "TfidfVectorizer": TfidfVectorizer}
_NUMBERS = "fiub"
_CURE = "Use scikit-learn's CountVectorizer or TfidfVectorizer with plain settings, or register a feature space of "
_CURE += "your own with lol_lightning.features.register_feature_space."


class Vectorizers(NamedTuple):
    """Two vectorizers of the same settings."""

    fitted: CountVectorizer
    unfitted: CountVectorizer


def vectorizer_state(vectorizer: CountVectorizer) -> dict[str, Any]:
    """Return class, settings, vocabulary and idf of a fitted vectorizer.

    Raises:
        ConfigurationError: if the class is not scikit-learn's own or a setting is not plain, so that only a pickle
            could keep it.
    """
    name = type(vectorizer).__name__
    if type(vectorizer) is not _CLASSES.get(name):
        raise ConfigurationError(f"the vectorizer {name} is not scikit-learn's own and cannot be saved. {_CURE}")
    settings = {key: _plain(key, value) for key, value in vectorizer.get_params().items() if key != "vocabulary"}
    idf = torch.from_numpy(np.array(vectorizer.idf_)) if settings.get("use_idf") else None
    return {
        "class": name,
        "settings": settings,
        "vocabulary": vectorizer.get_feature_names_out().tolist(),
        "idf": idf,
    }


def vectorizer_from_state(state: Mapping[str, Any]) -> Vectorizers:
    """Build the fitted vectorizer again, and an unfitted one that would learn a vocabulary of its own.

    Raises:
        DataError: if the state is broken.
    """
    where = "the state of a vectorizer"
    fields = check_fields(state, {"class": str, "settings": Mapping, "vocabulary": list, "idf": Tensor | None}, where)
    vocabulary = check_list(fields["vocabulary"], str, f"the vocabulary in {where}")
    if not vocabulary or len(set(vocabulary)) != len(vocabulary):
        raise DataError(f"{where} has an empty vocabulary, or a word in it twice.")
    cls = _CLASSES.get(fields["class"])
    if cls is None:
        raise DataError(f"{where} has the class {fields['class']!r:.80}; there are {', '.join(_CLASSES)}.")
    settings = dict(fields["settings"])
    try:
        settings["dtype"] = _dtype(settings["dtype"])
        settings["ngram_range"] = tuple(settings["ngram_range"])
        if settings["input"] != "content":
            raise ValueError("it reads files")
        fitted = cls(**settings, vocabulary=vocabulary)
        with warnings.catch_warnings():
            # scikit-learn warned of these settings when they were chosen.
            warnings.simplefilter("ignore")
            fitted.fit([""])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{where} has settings that scikit-learn refuses: {error}.") from error
    if settings.get("use_idf"):
        fitted.idf_ = check_tensor(fields["idf"], None, (len(vocabulary),), f"idf in {where}").numpy()
    return Vectorizers(fitted, cls(**settings))


def _plain(name: str, value: Any) -> Any:
    if name == "dtype" and np.dtype(value).kind in _NUMBERS:
        return np.dtype(value).name
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(name, entry) for entry in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if value is not None and not isinstance(value, str | int | float):
        raise ConfigurationError(f"the vectorizer's {name} = {value!r} is no plain value and cannot be saved. {_CURE}")
    if name == "input" and value != "content":
        raise ConfigurationError(f"the vectorizer reads files (input = {value!r}) and cannot be saved. {_CURE}")
    return value


def _dtype(name: str) -> Any:
    dtype = np.dtype(name)
    if dtype.kind not in _NUMBERS:
        raise ValueError(f"dtype = {name}")
    return dtype.type
