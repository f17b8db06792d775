"""Embeddings of a real encoder; the expected figures are properties of sentences, not of this package."""

import numpy as np
import pytest

import lol_lightning.features.encoder_loading as loading
from lol_lightning.features import TextEmbeddings, feature_space_from_state

pytestmark = [pytest.mark.minilm, pytest.mark.slow]

TEXTS = [
    "Subscribe to my channel and check out my videos!",
    "Please visit my page and follow me",
    "The drums in this song are wonderful",
    "What a lovely melody",
]


def space_of(folder, **arguments):
    return TextEmbeddings(folder, progress_bar=False, device="cpu", **arguments)


def test_sentences_of_one_meaning_are_close(minilm_folder):
    vectors = space_of(minilm_folder, standardize=False).fit_transform(TEXTS)
    assert vectors.shape == (4, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    cosine = vectors @ vectors.T
    assert cosine[0, 1] > 2 * cosine[0, 2]
    assert cosine[2, 3] > 2 * cosine[1, 3]


def test_both_libraries_give_the_same_vectors(minilm_folder, monkeypatch):
    texts = [*TEXTS, "", "word " * 400]
    sentences = space_of(minilm_folder, standardize=False).fit_transform(texts)
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    transformer = space_of(minilm_folder, standardize=False, batch_size=2).fit_transform(texts)
    np.testing.assert_allclose(sentences, transformer, atol=1e-5)


def test_a_file_of_the_space_is_small_and_gives_the_same_vectors(minilm_folder, tmp_path):
    space = space_of(minilm_folder, cache_dir=tmp_path).fit(TEXTS)
    again = feature_space_from_state(space.state())
    np.testing.assert_array_equal(again.transform(TEXTS), space.transform(TEXTS))
    assert not again._source._encoder.is_loaded
