import pickle
import zipfile

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.features.archive import bag_of_words_from_state, bag_of_words_state, read_archive, write_archive
from lol_lightning.features.bag_of_words import BagOfWords

TEXTS = ["Subscribe to my channel", "a nice song, a good song", "my song is good"]


def test_archive_keeps_plain_types_and_arrays(tmp_path):
    path = tmp_path / "model.any"
    arrays = {"a": np.arange(3), "b": np.eye(2, dtype=np.float32)}
    write_archive(path, {"x": [1, "ä", None]}, arrays)
    state, read = read_archive(path)
    assert state == {"x": [1, "ä", None]}
    assert sorted(read) == ["a", "b"]
    np.testing.assert_array_equal(read["b"], arrays["b"])
    assert read["b"].dtype == np.float32


def test_archive_holds_no_pickle(tmp_path):
    write_archive(tmp_path / "model", {}, {"a": np.arange(3)})
    with zipfile.ZipFile(tmp_path / "model") as file:
        assert all(name.endswith(".npy") for name in file.namelist())
    with pytest.raises(ValueError, match="pickle"):
        write_archive(tmp_path / "model", {}, {"a": np.array([object()])})


class Bomb:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


def pickled(path, bomb):
    path.write_bytes(pickle.dumps({"mu": bomb}))


def object_array(path, bomb):
    np.savez(open(path, "wb"), json=np.array([bomb], dtype=object))


def no_json(path, bomb):
    np.savez(open(path, "wb"), a=np.arange(3))


def text(path, bomb):
    path.write_text("hello")


def empty(path, bomb):
    path.write_bytes(b"")


@pytest.mark.parametrize("write", [pickled, object_array, no_json, text, empty])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_other_files_are_refused_and_nothing_in_them_runs(tmp_path, write):
    write(tmp_path / "model", Bomb(tmp_path / "exploded"))
    with pytest.raises(DataError, match=r"not a file that LoLLabelModel\.save wrote"):
        read_archive(tmp_path / "model")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "vectorizer",
    [
        None,
        CountVectorizer(stop_words=["my", "to"], ngram_range=(1, 2), lowercase=False),
        CountVectorizer(analyzer="char_wb", ngram_range=(2, 3), binary=True, dtype=np.float64),
        TfidfVectorizer(sublinear_tf=True, max_features=4),
        TfidfVectorizer(use_idf=False, norm="l1"),
        CountVectorizer(vocabulary={"song": 1, "my": 0}),
    ],
)
@pytest.mark.filterwarnings("ignore:Upper case characters:UserWarning")
def test_bag_of_words_transforms_alike_after_a_round_trip(tmp_path, vectorizer):
    space = BagOfWords(vectorizer, column="comment").fit(TEXTS)
    write_archive(tmp_path / "space", bag_of_words_state(space), {})
    state, _ = read_archive(tmp_path / "space")
    again = bag_of_words_from_state(state)
    assert again.feature_names == space.feature_names
    assert again.column == "comment"
    unseen = [*TEXTS, "My new channel", ""]
    np.testing.assert_array_equal(again.transform(unseen).toarray(), space.transform(unseen).toarray())


class Stemmer(CountVectorizer):
    pass


class OtherSpace(BagOfWords):
    pass


@pytest.mark.parametrize(
    ("space", "named"),
    [
        (BagOfWords(CountVectorizer(tokenizer=str.split, token_pattern=None)), "tokenizer = <method 'split'"),
        (BagOfWords(CountVectorizer(preprocessor=str.upper)), "preprocessor"),
        (BagOfWords(Stemmer()), "Stemmer is not scikit-learn's own"),
        (OtherSpace(), "OtherSpace cannot be saved"),
    ],
)
def test_code_of_the_user_is_not_saved(space, named):
    space.fit(TEXTS)
    with pytest.raises(ConfigurationError, match=named):
        bag_of_words_state(space)
