"""One file for a fitted label model: an npz of plain arrays and one JSON text, so that nothing in it can execute."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.features.bag_of_words import BagOfWords, FeatureSpace

__all__ = ["bag_of_words_from_state", "bag_of_words_state", "read_archive", "write_archive"]

_JSON = "json"
_VECTORIZERS: dict[str, type[CountVectorizer]] = {
    "CountVectorizer": CountVectorizer,
    "TfidfVectorizer": TfidfVectorizer,
}


def write_archive(path: str | Path, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write plain types and arrays to exactly ``path``."""
    text = np.frombuffer(json.dumps(state).encode(), dtype=np.uint8)
    with open(path, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **{_JSON: text}, **arrays)


def read_archive(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read what ``write_archive`` wrote; pickled content is refused, not run.

    Raises:
        DataError: if the file is something else.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return json.loads(arrays.pop(_JSON).tobytes()), arrays
    except (ValueError, TypeError, AttributeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} is not a file that LoLLabelModel.save wrote ({error}). A pickle, such as Snorkel's LabelModel "
            "saves, is not read, since reading it can run code: fit a LoLLabelModel and save that."
        ) from error


def bag_of_words_state(space: FeatureSpace) -> dict[str, Any]:
    """Return a fitted bag of words as plain types: the vectorizer's settings, vocabulary and idf.

    Raises:
        ConfigurationError: if the space is no ``BagOfWords``, or its vectorizer is a class of the user's or holds a
            function, which only a pickle could keep.
    """
    if type(space) is not BagOfWords:
        raise ConfigurationError(
            f"a {type(space).__name__} cannot be saved, only a BagOfWords can. Pass fit(X=...) the matrix that "
            "feature_space.transform gives, and keep the space yourself."
        )
    vectorizer = space.vectorizer_
    name = type(vectorizer).__name__
    if type(vectorizer) is not _VECTORIZERS.get(name):
        raise ConfigurationError(
            f"the vectorizer {name} is not scikit-learn's own, so its code would have to be saved. Use a "
            "CountVectorizer or TfidfVectorizer, or pass fit(X=...) the matrix that it makes."
        )
    params = {key: _plain(key, value) for key, value in vectorizer.get_params().items() if key != "vocabulary"}
    idf = vectorizer.idf_.tolist() if getattr(vectorizer, "use_idf", False) else None
    return {
        "vectorizer": name,
        "params": params,
        "vocabulary": space.feature_names,
        "idf": idf,
        "column": space.column,
        "add_inspected": space.add_inspected,
    }


def bag_of_words_from_state(state: dict[str, Any]) -> BagOfWords:
    """Build the bag of words again, ready to transform; its document frequencies are not those of the training rows."""
    params = dict(state["params"])
    params["dtype"] = np.dtype(params["dtype"]).type
    params["ngram_range"] = tuple(params["ngram_range"])
    vectorizer = _VECTORIZERS[state["vectorizer"]](**params, vocabulary=state["vocabulary"])
    vectorizer.fit([""])
    if state["idf"] is not None:
        vectorizer.idf_ = np.array(state["idf"])
    return BagOfWords(vectorizer, state["column"], state["add_inspected"]).fit([""])


def _plain(name: str, value: Any) -> Any:
    if name == "dtype":
        return np.dtype(value).name
    if isinstance(value, set | frozenset):
        return sorted(value)
    try:
        json.dumps(value)
    except TypeError as error:
        raise ConfigurationError(
            f"the vectorizer's {name} = {value!r} is not a plain value, and saving it would take a pickle. Use a plain "
            "setting, or pass fit(X=...) the matrix that the vectorizer makes."
        ) from error
    return value
