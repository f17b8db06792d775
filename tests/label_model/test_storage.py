"""A saved label model answers in another process; a broken file changes nothing."""

import json

import numpy as np
import pandas as pd
import pytest
from broken_files import FUZZ, broken, broken_members
from hypothesis import given
from hypothesis import strategies as st
from processes import run_python

from lol_lightning._files.state import read_archive, write_archive
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.features import BagOfWords, TableFeatures
from lol_lightning.label_model import LoLLabelModel
from lol_lightning.lfs.rules import keyword_lf

TEXTS = ["win a prize now", "nice song today", "prize inside", "lovely song"] * 4
VOTES = np.array([[1, -1], [-1, 0]] * 8)
LFS = [keyword_lf("prize", ["prize", "award"], label=1), keyword_lf("song", ["song"], label=0)]
NEW = ["an award", "a song", "zzz"]


def fitted(X=TEXTS, **options):
    model = LoLLabelModel(2, verbose=False)
    model.fit(VOTES, X=X, progress_bar=False, n_epochs=5, batch_size=8, hidden_sizes=[4], **options)
    return model


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    model = fitted(lfs=LFS)
    path = tmp_path_factory.mktemp("label_model") / "model"
    model.save(path)
    return model, path


def test_a_file_answers_for_new_texts_in_another_process(trained):
    model, path = trained
    code = (
        "import json, sys; from lol_lightning import LoLLabelModel\n"
        "model = LoLLabelModel(verbose=False); model.load(sys.argv[1])\n"
        "texts, votes = json.loads(sys.argv[2])\n"
        "print(json.dumps([model.predict_proba(None, X=texts).tolist(), model.predict_proba(votes).tolist()]))"
    )
    output = run_python("-W", "ignore", "-c", code, path, json.dumps([NEW, VOTES.tolist()]))
    of_texts, of_votes = json.loads(output)
    np.testing.assert_allclose(of_texts, model.predict_proba(None, X=NEW), atol=1e-7)
    np.testing.assert_allclose(of_votes, model.predict_proba(VOTES), atol=1e-12)


def test_settings_may_be_numbers_of_numpy(tmp_path):
    model = LoLLabelModel(2, verbose=False)
    model.fit(VOTES, X=TEXTS, progress_bar=False, n_epochs=np.int64(1), seed=np.int64(3), lfs=LFS, alpha=np.float64(2))
    model.save(tmp_path / "model")
    again = LoLLabelModel(verbose=False)
    again.load(tmp_path / "model")
    assert again.classifier_.hparams["seed"] == 3
    assert again.classifier_.hparams["penalty"]["init_args"]["alpha"] == 2.0


def test_a_table_travels_with_its_columns(tmp_path):
    table = pd.DataFrame({"age": np.arange(16.0), "city": ["Oslo", "Rome"] * 8})
    model = fitted(table, feature_space=TableFeatures())
    model.save(tmp_path / "model")
    again = LoLLabelModel(verbose=False)
    again.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(None, X=table), model.predict_proba(None, X=table))
    assert repr(again) == repr(model)


def test_a_feature_space_of_ones_own_is_not_left_out_silently(tmp_path):
    class Unregistered(BagOfWords):
        """Differs from a bag of words in code that no file holds."""

    (tmp_path / "model").write_text("before")
    with pytest.raises(ConfigurationError, match="Unregistered cannot be saved with a model"):
        fitted(feature_space=Unregistered()).save(tmp_path / "model")
    assert (tmp_path / "model").read_text() == "before"


def changed(state, name):
    classifier = state["classifier"]
    if name == "classes":
        state["class_balance"] = state["class_balance"][:1]
    elif name == "probabilities":
        state["conditionals"] = state["conditionals"] - 1
    elif name == "layers":
        classifier["hparams"]["hidden_sizes"] = [10**9]
    elif name == "sizes":
        classifier["hparams"]["num_features"] = "many"
    elif name == "arguments":
        classifier["hparams"]["surprise"] = 1
    elif name == "format":
        classifier["format"] = "other"
    elif name == "weights":
        del classifier["state_dict"]["network.bias"]
    elif name == "extra":
        state["extra"] = 1
    elif name == "shape":
        state["conditionals"] = state["conditionals"][:, 1:]
    return state


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("classes", "conditionals has the shape"),
        ("probabilities", "no probabilities"),
        ("layers", "need .* weights, and it holds"),
        ("sizes", r"sizes \['many', 4, 2\]"),
        ("arguments", "surprise"),
        ("format", "format 'other'"),
        ("weights", "weights, and it holds"),
        ("extra", "'extra', which is not expected"),
        ("shape", "conditionals has the shape"),
    ],
)
def test_a_state_that_does_not_fit_is_named_and_changes_nothing(trained, tmp_path, name, named):
    write_archive(tmp_path / "model", changed(read_archive(trained[1]), name))
    model = fitted()
    before = model.predict_proba(VOTES), model.predict_proba(None, X=NEW), repr(model)
    with pytest.raises(DataError, match=named) as caught:
        model.load(tmp_path / "model")
    assert "is not a file that LoLLabelModel.save wrote" in str(caught.value)
    np.testing.assert_array_equal(model.predict_proba(VOTES), before[0])
    np.testing.assert_array_equal(model.predict_proba(None, X=NEW), before[1])
    assert repr(model) == before[2]


@FUZZ
@given(data=st.data())
def test_a_damaged_file_is_read_as_it_was_or_refused(trained, tmp_path_factory, data):
    content = trained[1].read_bytes()
    damaged = tmp_path_factory.getbasetemp() / "damaged_label_model"
    damaged.write_bytes(data.draw(broken(content) | broken_members(content)))
    other = LoLLabelModel(cardinality=5, verbose=False)
    try:
        other.load(damaged)
    except DataError:
        assert repr(other) == "LoLLabelModel(cardinality=5, not fitted)"
    else:
        assert other.predict_proba(VOTES).shape == (16, 2)
        assert other.predict_proba(None, X=NEW).shape == (3, 2)


def test_a_missing_file_and_a_missing_directory_are_named(trained, tmp_path):
    with pytest.raises(DataError, match="nothing is missing"):
        LoLLabelModel().load(tmp_path / "nothing")
    with pytest.raises(DataError, match="there is no directory"):
        trained[0].save(tmp_path / "no" / "model")
