import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer

from lol_lightning.exceptions import DataError, FeatureSpaceError, NotFittedError
from lol_lightning.features import BagOfWords, FeatureSpace
from lol_lightning.lfs.record import InspectedFeature

TEXTS = ["I can't pay £1.50 now!", "you pay, you pay", "song of the day"]


def names(space, feature):
    return [space.feature_names[entry] for entry in space.map_feature(feature).entries]


def test_default_vectorizer_keeps_short_words_contractions_decimals_and_marks():
    space = BagOfWords().fit(TEXTS)
    assert {"i", "can't", "£", "1.50", "!"} <= set(space.feature_names)


def test_transform_is_sparse_float32_and_equals_the_vectorizer():
    vectorizer = CountVectorizer()
    space = BagOfWords(vectorizer)
    fitted = space.fit_transform(TEXTS)
    again = space.transform(pd.DataFrame({"text": TEXTS}))
    assert sp.issparse(again)
    assert again.dtype == np.float32
    expected = CountVectorizer().fit_transform(TEXTS).toarray()
    np.testing.assert_array_equal(fitted.toarray(), expected)
    np.testing.assert_array_equal(again.toarray(), expected)
    assert not hasattr(vectorizer, "vocabulary_"), "the caller's vectorizer was changed"


def test_document_frequency_is_smoothed_and_observed_frequency_is_not():
    space = BagOfWords().fit(TEXTS)
    pay = space.feature_names.index("pay")
    assert space.observed_frequency[pay] == pytest.approx(2 / 3)
    assert space.document_frequency[pay] == pytest.approx(3 / 5)
    assert space.document_frequency.dtype == torch.float32


def test_feature_scale_is_the_mean_value_where_present():
    space = BagOfWords(CountVectorizer()).fit(TEXTS)
    assert space.feature_scale[space.feature_names.index("you")] == 2
    assert space.feature_scale[space.feature_names.index("pay")] == 1.5
    assert (BagOfWords().fit(TEXTS).feature_scale == 1).all()


def test_inspected_words_join_the_vocabulary():
    inspected = [
        InspectedFeature("subscribe", 1),
        InspectedFeature("http://", 1),
        InspectedFeature("words", 0, "length"),
    ]
    space = BagOfWords()
    matrix = space.fit_transform(TEXTS, inspected)
    assert names(space, inspected[0]) == ["subscribe"]
    assert names(space, inspected[1]) == ["http"]
    assert "words" not in space.feature_names
    assert matrix.shape[1] == space.num_features == space.transform(["subscribe"]).shape[1]
    assert space.transform(["subscribe"]).sum() == 1
    assert space.observed_frequency[space.map_feature(inspected[0]).entries[0]] == 0


def test_inspected_words_stay_out_by_a_setting_and_of_a_fixed_vocabulary():
    inspected = [InspectedFeature("subscribe", 1)]
    for space in (
        BagOfWords(add_inspected=False),
        BagOfWords(CountVectorizer(vocabulary=["pay"])),
        BagOfWords(CountVectorizer().fit(TEXTS)),
    ):
        assert "subscribe" not in space.fit(TEXTS, inspected).feature_names


def test_tfidf_weighs_words_of_no_text_as_scikit_learn_does():
    space = BagOfWords(TfidfVectorizer())
    space.fit(TEXTS, [InspectedFeature("subscribe", 1)])
    oracle = TfidfVectorizer(vocabulary=space.feature_names).fit(TEXTS)
    np.testing.assert_allclose(
        space.transform(["subscribe song"]).toarray(), oracle.transform(["subscribe song"]).toarray(), rtol=1e-6
    )


def test_fitted_vectorizer_keeps_its_vocabulary():
    vectorizer = CountVectorizer().fit(["only these words"])
    space = BagOfWords(vectorizer).fit(TEXTS)
    assert space.feature_names == ["only", "these", "words"]
    assert space.observed_frequency.sum() == 0


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("vectorizer", [HashingVectorizer(), "tfidf"])
def test_vectorizers_without_vocabulary_are_refused(vectorizer):
    with pytest.raises(FeatureSpaceError, match=f"CountVectorizer or TfidfVectorizer, got {type(vectorizer).__name__}"):
        BagOfWords(vectorizer)


def test_tfidf_without_smoothing_is_not_extended():
    space = BagOfWords(TfidfVectorizer(smooth_idf=False))
    space.fit(TEXTS, [InspectedFeature("subscribe", 1)])
    assert "subscribe" not in space.feature_names


def test_empty_vocabulary_names_the_cure():
    with pytest.raises(FeatureSpaceError, match=r"no vocabulary comes out of 2 texts.*token_pattern"):
        BagOfWords(CountVectorizer(stop_words="english")).fit(["the of", "and"])


def test_not_fitted():
    with pytest.raises(NotFittedError, match="call fit"):
        BagOfWords().transform(TEXTS)
    assert not BagOfWords().is_fitted


def test_missing_text_names_row_and_cure():
    with pytest.raises(DataError, match=r"row 1 holds nan in 'text'.*fillna"):
        BagOfWords().fit(pd.DataFrame({"text": ["a", np.nan]}))
    with pytest.raises(DataError, match=r"no 'body', only \['text'\]"):
        BagOfWords(text_column="body").fit(pd.DataFrame({"text": ["a"]}))


def test_bag_of_words_is_a_feature_space():
    assert isinstance(BagOfWords().fit(TEXTS), FeatureSpace)
