import copy
import logging
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_encoder import load_tiny_encoder, save_tiny_encoder

from lol_lightning.exceptions import ConfigurationError, DataError, FeatureSpaceError, NotFittedError
from lol_lightning.features import FeatureSpace, TextEmbeddings, feature_space_from_state
from lol_lightning.features.embeddings import BY_INSERTION
from lol_lightning.lfs.record import InspectedFeature

TEXTS = ["check my channel", "a very good song of the day", "it", "", "a nice song", "it"]


def lengths(texts):
    return np.array([[len(text), text.count("o"), text.count("s")] for text in texts], dtype=float)


def space_of(encoder=lengths, **arguments):
    return TextEmbeddings(encoder, progress_bar=False, **arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny_encoder(tmp_path_factory.mktemp("encoder"))


def test_features_are_the_vectors_of_the_encoder():
    space = space_of(standardize=False)
    features = space.fit_transform(TEXTS)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, lengths(TEXTS))
    np.testing.assert_array_equal(space.transform(pd.DataFrame({"text": TEXTS[::-1]})), lengths(TEXTS)[::-1])


def test_standardized_features_have_mean_0_and_mean_variance_1_on_the_training_rows():
    space = space_of()
    features = space.fit_transform(TEXTS)
    np.testing.assert_allclose(features.mean(0), 0, atol=1e-6)
    assert features.var(0).mean() == pytest.approx(1, abs=1e-6)
    raw = lengths(["new text"])
    scale = np.sqrt(lengths(TEXTS).var(0).mean())
    np.testing.assert_allclose(space.transform(["new text"]), (raw - lengths(TEXTS).mean(0)) / scale, rtol=1e-6)


def test_one_row_and_equal_rows_have_finite_features():
    assert space_of().fit_transform(["one"]).tolist() == [[0, 0, 0]]
    assert space_of().fit_transform(["one", "one"]).tolist() == [[0, 0, 0]] * 2


def test_the_properties_of_a_space():
    space = space_of(standardize=False, text_column="body").fit(pd.DataFrame({"body": TEXTS}))
    assert not space.interpretable
    assert space.text_columns == ["body"]
    assert space.feature_names == ["embedding 0", "embedding 1", "embedding 2"]
    assert space.observed_frequency.tolist() == [1, 1, 1]
    assert space.document_frequency.tolist() == pytest.approx([7 / 8] * 3)
    np.testing.assert_allclose(space.feature_scale, lengths(TEXTS).mean(0), rtol=1e-6)
    assert space_of().fit(TEXTS).feature_scale.tolist() == [0, 0, 0]
    assert space.map_feature(InspectedFeature("song", 0)) == ((), BY_INSERTION)
    assert repr(space) == "TextEmbeddings(the encoder lengths, 3 features)"
    assert isinstance(space, FeatureSpace)


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_the_batch_changes_no_result(folder, batch_size):
    model, tokenizer = load_tiny_encoder(folder)
    expected = []
    with torch.inference_mode():
        for text in TEXTS:
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state
            expected.append(hidden.mean(1)[0].numpy())
    features = space_of(folder, batch_size=batch_size, standardize=False, device="cpu").fit_transform(TEXTS)
    np.testing.assert_allclose(features, np.stack(expected), rtol=1e-4, atol=1e-5)
    assert np.unique(features, axis=0).shape[0] == 5


def test_each_text_is_encoded_once_in_a_process():
    calls = []

    def counted(texts):
        calls.extend(texts)
        return lengths(texts)

    space = space_of(counted)
    space.fit(TEXTS)
    assert sorted(calls) == sorted(set(TEXTS))
    assert [len(text) for text in calls] == sorted(map(len, calls)), "texts of like length share a batch"
    space.transform([*TEXTS, "fresh"])
    assert calls[5:] == ["fresh"]


def test_another_space_with_the_same_model_encodes_nothing_again(folder, monkeypatch):
    texts = ["we visit the shop", "the phone broke"]
    first = space_of(folder, standardize=False, device="cpu").fit_transform(texts)
    second = space_of(folder, standardize=False, device="cpu")
    np.testing.assert_array_equal(second.fit_transform(texts), first)
    assert not second._source._encoder.is_loaded


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda texts: np.zeros((len(texts) + 1, 3)), r"the shape \(3, 3\) for 2 texts"),
        (lambda texts: np.zeros(len(texts)), r"the shape \(2,\) for 2 texts"),
        (lambda texts: np.zeros((len(texts), 0)), r"the shape \(2, 0\) for 2 texts"),
        (lambda texts: [["a"]] * len(texts), "returns list, not an array"),
        (lambda texts: np.array([[np.nan, 1.0]] * len(texts)), "not finite for the text 'it'"),
    ],
)
def test_what_an_encoder_returns_is_checked(returned, message):
    with pytest.raises(DataError, match=message):
        space_of(returned).fit(["it", "song"])


def test_tensors_and_low_precision_are_taken():
    features = space_of(lambda texts: torch.ones(len(texts), 2, dtype=torch.bfloat16), standardize=False)
    assert features.fit_transform(["a", "b"]).tolist() == [[1, 1], [1, 1]]


def test_rows_are_read_as_a_bag_of_words_reads_them():
    lists = pd.DataFrame({"text": [["nice", "song"], np.array(["check"]), ()]}, dtype=object)
    expected = lengths(["nice song", "check", ""])
    np.testing.assert_array_equal(space_of(standardize=False).fit_transform(lists), expected)
    for bad in (None, float("nan"), 3):
        with pytest.raises(DataError, match=r"row 1 holds .* not a text"):
            space_of().fit(pd.DataFrame({"text": ["a", bad]}, dtype=object))
    with pytest.raises(DataError, match="no 'body'"):
        space_of(text_column="body").check_rows(pd.DataFrame({"text": ["a"]}))


def test_no_rows():
    with pytest.raises(FeatureSpaceError, match="no rows"):
        space_of().fit([])
    assert space_of().fit(TEXTS).transform(pd.DataFrame({"text": []})).shape == (0, 3)
    with pytest.raises(NotFittedError):
        space_of().transform(TEXTS)


def test_a_state_holds_the_folder_and_no_weights(folder):
    space = space_of(folder, pooling="max", max_length=8, device="cpu").fit(TEXTS)
    state = space.state()
    assert state["encoder"] == str(folder)
    assert sum(value.numel() for value in state.values() if isinstance(value, torch.Tensor)) == 32
    again = feature_space_from_state(state)
    assert not again._source._encoder.is_loaded
    np.testing.assert_array_equal(again.transform(TEXTS), space.transform(TEXTS))
    np.testing.assert_array_equal(again.transform(["a link"]), space.transform(["a link"]))
    assert again.state().keys() == state.keys()


def test_a_function_is_given_again_after_loading():
    space = space_of().fit(TEXTS)
    again = feature_space_from_state(space.state())
    assert repr(again) == "TextEmbeddings(no encoder, 3 features)"
    with pytest.raises(ConfigurationError, match=r"Give the encoder again: space.use_encoder\(encoder\)"):
        again.transform(TEXTS)
    np.testing.assert_array_equal(again.use_encoder(lengths).transform(TEXTS), space.transform(TEXTS))
    with pytest.raises(DataError, match="returns embeddings of 2 numbers, and this space was fitted on 3"):
        again.use_encoder(lambda texts: lengths(texts)[:, :2]).transform(TEXTS)


def test_a_missing_folder_is_said_with_its_cure(tmp_path):
    folder = save_tiny_encoder(tmp_path / "encoder")
    space = space_of(folder, device="cpu").fit(TEXTS)
    (tmp_path / "encoder").rename(tmp_path / "moved")
    again = feature_space_from_state(space.state())
    assert str(folder) in repr(again)
    with pytest.raises(ConfigurationError, match=r"encoder' of the encoder is missing.*use_encoder\(encoder\)"):
        again.transform(TEXTS)
    assert again.state()["encoder"] == str(folder)
    np.testing.assert_array_equal(again.use_encoder(tmp_path / "moved").transform(TEXTS), space.transform(TEXTS))


def test_a_folder_that_was_changed_is_warned_of(tmp_path):
    folder = save_tiny_encoder(tmp_path / "encoder")
    state = space_of(folder, device="cpu").fit(TEXTS).state()
    save_tiny_encoder(folder, seed=1)
    with pytest.warns(UserWarning, match="is not what it was when this space was fitted"):
        feature_space_from_state(state).transform(TEXTS)


def test_a_broken_state_is_refused(folder):
    state = space_of().fit(TEXTS).state()
    for change in ({"scale": 0.0}, {"mean": torch.zeros(2, 2)}, {"num_rows": 0}, {"pooling": "sum"}, {"batch_size": 0}):
        with pytest.raises(DataError):
            feature_space_from_state(state | change)


def test_pickles_and_copies_hold_no_weights_that_have_a_name(folder):
    space = space_of(folder, device="cpu").fit([*TEXTS, "a text of this test alone"])
    assert space._source._encoder.is_loaded
    content = pickle.dumps(space)
    assert len(content) < 5000
    for other in (pickle.loads(content), copy.deepcopy(space)):
        np.testing.assert_array_equal(other.transform(["my song"]), space.transform(["my song"]))
    pair = pickle.loads(pickle.dumps(space_of(load_tiny_encoder(folder)).fit([*TEXTS, "a text of this test alone"])))
    np.testing.assert_allclose(pair.transform(["my song"]), space.transform(["my song"]), atol=1e-5)


def test_texts_that_are_cut_are_counted(tmp_path, caplog):
    folder = save_tiny_encoder(tmp_path / "encoder")
    long = "song " * 20
    with caplog.at_level(logging.INFO):
        features = space_of(folder, max_length=10, standardize=False, device="cpu").fit_transform([long, "song", long])
    assert "1 of 2 texts have more than the 10 tokens" in caplog.text
    shorter = space_of(folder, standardize=False, device="cpu").fit_transform(["song " * 8])
    np.testing.assert_allclose(features[0], shorter[0], atol=1e-5)


@pytest.mark.parametrize("arguments", [{"batch_size": 0}, {"max_length": 0}, {"pooling": "sum"}])
def test_arguments_out_of_range(folder, arguments):
    with pytest.raises(ConfigurationError, match=f"{next(iter(arguments))} ="):
        space_of(folder, **arguments)
