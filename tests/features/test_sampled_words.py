"""Smoothing samples of mapped targets are about as long as the training rows, whatever the LFs inspect."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from lol_lightning.features import BagOfWords, TableFeatures
from lol_lightning.features.mapping import records_to_targets
from lol_lightning.functional.smoothing import SAMPLERS
from lol_lightning.lfs.record import InspectedFeature, LFRecord

WORDS = [f"word{i}" for i in range(40)]
texts = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join), min_size=1, max_size=12)


def words_of_no_row(number):
    return [InspectedFeature(f"absent{i}", label=i % 2, kind="token") for i in range(number)]


def targets_of(space, inspected):
    return records_to_targets([LFRecord("lf", tuple(inspected))], space, num_classes=2)[0]


@given(
    rows=texts,
    num_absent=st.integers(0, 3000),
    vectorizer=st.sampled_from([None, CountVectorizer(), TfidfVectorizer(), CountVectorizer(ngram_range=(1, 2))]),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_samples_are_expected_to_hold_as_many_words_as_rows(rows, num_absent, vectorizer):
    inspected = words_of_no_row(num_absent)
    space = BagOfWords(vectorizer)
    matrix = space.fit_transform(rows, inspected)
    assert matrix.shape[1] >= num_absent
    expected = float(targets_of(space, inspected).document_frequency.double().sum())
    assert expected == pytest.approx(float((matrix != 0).sum(1).mean()), rel=1e-5)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samples_hold_as_many_words_as_rows(sampler):
    rng = np.random.default_rng(0)
    rows = [" ".join(rng.choice(WORDS, size=17, replace=False)) for _ in range(100)]
    inspected = words_of_no_row(8000)
    phi = targets_of(BagOfWords().fit(rows, inspected), inspected).document_frequency
    _, offsets = SAMPLERS[sampler](phi, 10, 200, torch.Generator().manual_seed(0))
    assert float(offsets.diff().double().mean()) == pytest.approx(17, rel=0.03)


def test_a_fitted_vocabulary_of_words_that_no_row_holds_adds_none():
    space = BagOfWords(CountVectorizer().fit([" ".join(f"other{i}" for i in range(5000)), "pay"])).fit(["pay now"])
    assert float(targets_of(space, []).document_frequency.sum()) == 1


def test_samples_of_tables_hold_as_many_categories_as_rows():
    table = pd.DataFrame({"city": [f"city{i}" for i in range(50)], "vip": [True, False] * 25})
    space = TableFeatures()
    matrix = space.fit_transform(table)
    phi = targets_of(space, []).document_frequency
    assert float(phi.sum()) == pytest.approx(float((sp.csr_matrix(matrix) > 0).sum(1).mean()))
