import io
import subprocess
import sys
import time
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from lol_lightning.exceptions import ConfigurationError, DataError, LoLError, NotFittedError
from lol_lightning.features import (
    BagOfWords,
    ColumnFeatures,
    FeatureSpace,
    TableFeatures,
    TextEmbeddings,
    feature_space_from_state,
    register_feature_space,
)
from lol_lightning.features.vocabulary import MAPPED, FeatureMatch
from lol_lightning.lfs.record import InspectedFeature

TEXTS = ["Subscribe to my CHANNEL, my café", "a nice song, a good song", "my song is good", "good day, my channel"]
NEW = [*TEXTS, "My new channel subscribed", "", "unheard-of words of Cafe"]
INSPECTED = [
    InspectedFeature("subscr", 1),
    InspectedFeature("good song", 1),
    InspectedFeature("plz", 0, "token"),
    InspectedFeature("my", 0, "entry"),
    InspectedFeature("CAF", 0, "prefix"),
    InspectedFeature("words", 0, "length"),
]
FREQUENCIES = ("observed_frequency", "document_frequency", "feature_scale")


def lengths(texts):
    return np.array([[len(text), text.count("o")] for text in texts])


def reloaded(space):
    """Send the state of a space through a file that holds no code."""
    file = io.BytesIO()
    torch.save(space.state(), file)
    file.seek(0)
    return feature_space_from_state(torch.load(file, weights_only=True))


def assert_equal(again, space):
    assert type(again) is type(space)
    assert again.feature_names == space.feature_names
    for name in FREQUENCIES:
        assert torch.equal(getattr(again, name), getattr(space, name)), name
    one, other = again.transform(NEW), space.transform(NEW)
    assert one.dtype == other.dtype
    np.testing.assert_array_equal(one.toarray(), other.toarray())
    for feature in INSPECTED:
        assert again.map_feature(feature) == space.map_feature(feature)


counts = {
    "lowercase": st.booleans(),
    "strip_accents": st.sampled_from([None, "ascii", "unicode"]),
    "stop_words": st.sampled_from([None, "english", ["my", "to"]]),
    "ngram_range": st.sampled_from([(1, 1), (1, 2), (2, 3)]),
    "analyzer": st.sampled_from(["word", "char", "char_wb"]),
    "binary": st.booleans(),
    "min_df": st.sampled_from([1, 2, np.int64(1), 0.3]),
    "max_df": st.sampled_from([1.0, 3, 0.9]),
    "max_features": st.sampled_from([None, 5]),
}
tfidf = {
    "norm": st.sampled_from(["l1", "l2", None]),
    "use_idf": st.booleans(),
    "smooth_idf": st.booleans(),
    "sublinear_tf": st.booleans(),
}
vectorizers = st.one_of(
    st.none(),
    st.builds(CountVectorizer, dtype=st.sampled_from([np.float32, np.float64, np.int64]), **counts),
    st.builds(TfidfVectorizer, dtype=st.sampled_from([np.float32, np.float64]), **counts, **tfidf),
    st.builds(CountVectorizer, vocabulary=st.sampled_from([["song", "my"], {"my": 1, "song": 0}, {"song", "my"}])),
)


@given(vectorizer=vectorizers, fitted=st.booleans(), add_inspected=st.booleans())
@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_bag_of_words_is_equal_after_a_reload(vectorizer, fitted, add_inspected):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if fitted and vectorizer is not None:
                vectorizer.fit(["only these good words of my song", "my channel and my good words"])
            space = BagOfWords(vectorizer, "text", add_inspected).fit(TEXTS, INSPECTED)
        except (LoLError, ValueError):
            return  # Nothing is left of the vocabulary.
    again = reloaded(space)
    assert_equal(again, space)
    assert again.add_inspected == add_inspected
    # Fitted once more, the copy learns what the first one learns.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        more = ["my song on the channel of the song", "good day to my song channel"]
        assert_equal(again.fit(more), space.fit(more))


def test_a_space_of_the_pattern_of_version_0_1_0_cuts_texts_as_it_did():
    old = r"(?u)\d+(?:[.,]\d+)+|\w+(?:['\u2019]\w+)*|[$€£¥%!?]"
    texts = ["चैनल देखो ❤", "这个手机 win 🎁", "cafe\u0301 can't 1.50"]
    space = BagOfWords(CountVectorizer(binary=True, token_pattern=old, dtype=np.float32)).fit(texts)
    again = reloaded(space)
    assert {"नल", "这个手机", "cafe", "can't", "1.50"} <= set(again.feature_names)
    assert not {"❤", "चैनल", "手"} & set(again.feature_names)
    np.testing.assert_array_equal(again.transform(texts).toarray(), space.transform(texts).toarray())
    assert again.fit(texts).feature_names == space.feature_names
    assert {"❤", "चैनल", "手"} <= set(BagOfWords().fit(texts).feature_names)


def test_reload_does_not_warn_again():
    with pytest.warns(UserWarning, match="Upper case"):
        space = BagOfWords(CountVectorizer(vocabulary=["Song", "my"]), text_column="comment").fit(TEXTS)
    again = reloaded(space)
    assert again.column == "comment"
    assert again.feature_names == ["Song", "my"]


TABLE = pd.DataFrame(
    {
        "age": [10, 20, 30, 61],
        "fee": [1.0] * 4,
        "code": [3, 3, 1, 2],
        "rate": [0.1, 0.5, 0.1, 2.0],
        "city": ["Oslo", "Rome", "3", None],
        "vip": [True, False, True, True],
    }
)


@pytest.mark.parametrize(
    "space",
    [
        TableFeatures(),
        TableFeatures(exclude=["fee", "label"]),
        TableFeatures(numeric=["age"], categorical=["code", "rate", "city", "vip"]),
        TableFeatures(categorical=["vip"]),
    ],
)
@pytest.mark.parametrize("table", [TABLE, TABLE.astype({"rate": "float32", "code": "int8"})])
def test_table_features_are_equal_after_a_reload(space, table):
    space.fit(table)
    again = reloaded(space)
    assert again.feature_names == space.feature_names
    for name in FREQUENCIES:
        assert torch.equal(getattr(again, name), getattr(space, name)), name
    new = pd.concat([table, table.assign(city="Paris", age=17)])
    np.testing.assert_array_equal(again.transform(new), space.transform(new))
    for term in ["age", "city=Rome", "code=3", "rate=0.1", "vip=True", "city", "size"]:
        feature = InspectedFeature(term, 1, "column")
        assert again.map_feature(feature) == space.map_feature(feature)
    np.testing.assert_array_equal(again.fit_transform(new), space.fit_transform(new))


def test_types_of_categories_survive():
    table = pd.DataFrame({"mixed": [1, "1", 2.5, True]}, dtype=object)
    again = reloaded(TableFeatures(categorical=["mixed"]).fit(table))
    kinds = {column: [type(value) for value in values] for column, values in again.state()["categories"]}
    assert sorted(kind.__name__ for kind in kinds["mixed"]) == ["float", "int", "str"]
    np.testing.assert_array_equal(again.transform(pd.DataFrame({"mixed": ["1"]})).sum(), 1)


def test_category_that_is_not_plain_names_column_and_cure():
    table = pd.DataFrame({"when": pd.to_datetime(["2020-01-01", "2020-01-02"])})
    space = TableFeatures(categorical=["when"]).fit(table)
    with pytest.raises(ConfigurationError, match=r"column 'when' has the category .*Timestamp.*astype\(str\)"):
        space.state()


class Stemmer(CountVectorizer):
    pass


@pytest.mark.parametrize(
    ("vectorizer", "message"),
    [
        (CountVectorizer(tokenizer=str.split, token_pattern=None), "tokenizer = <method 'split'"),
        (CountVectorizer(preprocessor=str.upper), "preprocessor"),
        (CountVectorizer(dtype=np.complex64), "dtype = .*complex64"),
        (Stemmer(), "Stemmer is not scikit-learn's own"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::numpy.exceptions.ComplexWarning")
def test_vectorizers_with_code_are_not_saved(vectorizer, message):
    space = BagOfWords(vectorizer).fit(TEXTS)
    with pytest.raises(ConfigurationError, match=message) as caught:
        space.state()
    assert "register a feature space" in str(caught.value)


class NumWords(FeatureSpace):
    """The least that a space of a user's own has to define."""

    limit = None
    is_fitted = property(lambda self: self.limit is not None)
    feature_names = property(lambda self: ["long"])
    observed_frequency = property(lambda self: torch.tensor([0.5]))
    document_frequency = property(lambda self: torch.tensor([0.5]))
    feature_scale = property(lambda self: torch.ones(1))

    def fit_transform(self, data, inspected=()):
        self.limit = sum(len(text.split()) for text in data) / len(data)
        return self.transform(data)

    def transform(self, data):
        return np.array([[len(text.split()) > self.limit] for text in data], dtype=np.float32)

    def map_feature(self, feature):
        return FeatureMatch(((0,),), MAPPED)


@register_feature_space
class SavedNumWords(NumWords):
    def state(self):
        return {**super().state(), "limit": self.limit}

    @classmethod
    def from_state(cls, state):
        space = cls()
        space.limit = state["limit"]
        return space


class TestSpaceOfTheUser:
    def test_without_registration_says_what_to_do(self):
        space = NumWords().fit(TEXTS)
        with pytest.raises(ConfigurationError, match=r"NumWords cannot be saved.*NumWords\.state.*from_state.*regist"):
            space.state()

    def test_a_subclass_of_ours_is_not_saved_as_ours(self):
        class Comments(BagOfWords):
            pass

        with pytest.raises(ConfigurationError, match="Comments cannot be saved"):
            Comments().fit(TEXTS).state()

    def test_is_equal_after_a_reload(self):
        space = SavedNumWords().fit(TEXTS)
        again = reloaded(space)
        assert type(again) is SavedNumWords
        np.testing.assert_array_equal(again.transform(NEW), space.transform(NEW))

    def test_its_class_must_be_imported_first(self, tmp_path):
        torch.save({**BagOfWords().fit(TEXTS).state(), "class": "Elsewhere"}, tmp_path / "state")
        code = (
            "import sys, torch\nfrom lol_lightning.features import feature_space_from_state\n"
            "feature_space_from_state(torch.load(sys.argv[1], weights_only=True))"
        )
        run = subprocess.run([sys.executable, "-c", code, tmp_path / "state"], capture_output=True, text=True)
        assert run.returncode == 1
        assert "of the class 'Elsewhere', which is not registered here. Import the module" in run.stderr

    def test_methods_that_are_missing_are_named(self):
        with pytest.raises(ConfigurationError, match="NumWords has no state of its own"):
            register_feature_space(NumWords)

    def test_a_notebook_cell_may_run_twice_and_another_class_is_refused(self):
        def define():
            class SecondRun(SavedNumWords):
                pass

            return SecondRun

        first, second = define(), define()
        register_feature_space(first)
        assert register_feature_space(second) is second
        assert type(reloaded(first().fit(TEXTS))) is second
        thief = type("SavedNumWords", (SavedNumWords,), {"__module__": "elsewhere"})
        with pytest.raises(ConfigurationError, match=r"of .*, is registered as SavedNumWords; rename"):
            register_feature_space(thief)


def test_an_unfitted_space_has_no_state():
    for space in (BagOfWords(), TableFeatures(), TextEmbeddings(lengths), ColumnFeatures({"words": BagOfWords()})):
        with pytest.raises(NotFittedError, match="call fit"):
            space.state()


def test_repr_is_one_short_line():
    assert repr(BagOfWords()) == "BagOfWords(not fitted)"
    assert repr(TableFeatures().fit(TABLE)) == "TableFeatures(9 features)"


def test_200_000_words_take_well_under_a_second():
    words = [f"w{i}" for i in range(200_000)]
    space = BagOfWords(TfidfVectorizer(stop_words=words[:1000])).fit([" ".join(words)])
    start = time.process_time()
    again = reloaded(space)
    assert time.process_time() - start < 2
    assert again.num_features == 199_000


values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.just([]), st.just({}), st.just([[]])
) | st.sampled_from([torch.ones(2), torch.tensor([torch.nan] * 7), [1], ["a", "a"]])


@pytest.mark.parametrize(
    "space",
    [
        BagOfWords(TfidfVectorizer()).fit(TEXTS),
        TableFeatures().fit(TABLE),
        TextEmbeddings(lengths, progress_bar=False).fit(TEXTS),
        ColumnFeatures({"words": BagOfWords(), "more": BagOfWords()}, weights={"more": 0.5}).fit(TEXTS),
    ],
    ids=["bag", "table", "embeddings", "columns"],
)
@given(data=st.data())
@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_a_broken_state_is_a_data_error_or_works(space, data):
    state = space.state()
    place, key = state, data.draw(st.sampled_from(sorted(state)))
    while isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
        place[key] = dict(place[key])
        place, key = place[key], data.draw(st.sampled_from(sorted(place[key])))
    if data.draw(st.booleans()):
        del place[key]
    else:
        place[key] = data.draw(values)
    try:
        again = feature_space_from_state(state)
    except DataError:
        return
    assert again.num_features > 0


@pytest.mark.parametrize("state", [None, [], {}, {"class": 3}, {"class": "BagOfWords"}])
def test_what_is_no_state(state):
    with pytest.raises(DataError, match="state of a"):
        feature_space_from_state(state)
