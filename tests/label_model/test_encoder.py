"""LoLLabelModel with a pretrained encoder in one argument: what it trains on, answers and keeps."""

import numpy as np
import pandas as pd
import pytest

from lol_lightning import LoLLabelModel, keyword_lf
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.features import BagOfWords, ColumnFeatures
from lol_lightning.losses import GradientPenalty

TEXTS = ["win a prize now", "nice song today", "prize inside", "lovely song"] * 4
VOTES = np.array([[1, -1], [-1, 0]] * 8)
LFS = [keyword_lf("prize", ["prize"], label=1), keyword_lf("song", ["song"], label=0)]
NEW = ["a prize of the day", "one more song"]


def lengths(texts):
    """What a text is about: letters of prizes, and letters of songs."""
    return np.array([[text.count("z"), text.count("g"), len(text) / 100] for text in texts], dtype=float)


def fitted(encoder, X=None, **options):
    model = LoLLabelModel(2, verbose=False)
    X = pd.DataFrame({"text": TEXTS}) if X is None else X
    model.fit(VOTES, X=X, lfs=LFS, encoder=encoder, progress_bar=False, n_epochs=15, batch_size=8, **options)
    return model


def test_words_and_meaning_train_and_answer_for_new_texts():
    model = fitted(lengths)
    space = model.classifier_.feature_space
    assert isinstance(space, ColumnFeatures)
    assert set(space.parts) == {"words", "meaning"}
    assert type(model.classifier_.lol.penalty) is GradientPenalty
    assert model.predict(None, X=pd.DataFrame({"text": NEW})).tolist() == [1, 0]
    # A word that no row held: the embedding alone tells.
    zeros, gs = (model.predict_proba(None, X=[text])[0, 1] for text in ("zzz", "ggg"))
    assert zeros > gs


def test_the_text_column_is_the_encoders_too():
    frame = pd.DataFrame({"comment": TEXTS, "text": ["same"] * len(TEXTS)})
    lfs = [keyword_lf(lf.name, [word], label, text_column="comment") for lf, word, label in
           zip(LFS, ("prize", "song"), (1, 0), strict=True)]  # fmt: skip
    model = LoLLabelModel(2, verbose=False)
    options = {"progress_bar": False, "n_epochs": 15, "batch_size": 8, "text_column": "comment"}
    model.fit(VOTES, X=frame, lfs=lfs, encoder=lengths, **options)
    assert model.predict(None, X=pd.DataFrame({"comment": NEW})).tolist() == [1, 0]


def test_a_file_names_the_encoder_by_its_folder(tmp_path):
    pytest.importorskip("transformers")
    from tiny_encoder import save_tiny_encoder

    folder = save_tiny_encoder(tmp_path / "encoder")
    model = fitted(str(folder))
    model.save(tmp_path / "model")
    again = LoLLabelModel(verbose=False)
    again.load(tmp_path / "model")
    expected = model.predict_proba(None, X=NEW)
    np.testing.assert_allclose(again.predict_proba(None, X=NEW), expected, atol=1e-6)
    assert (tmp_path / "model").stat().st_size < (folder / "model.safetensors").stat().st_size


def test_a_function_is_needed_again_after_loading(tmp_path):
    model = fitted(lengths)
    model.save(tmp_path / "model")
    again = LoLLabelModel(verbose=False)
    again.load(tmp_path / "model")
    with pytest.raises(ConfigurationError, match="encoder"):
        again.predict_proba(None, X=NEW)
    again.classifier_.feature_space.parts["meaning"].use_encoder(lengths)
    np.testing.assert_allclose(again.predict_proba(None, X=NEW), model.predict_proba(None, X=NEW), atol=1e-6)


def test_an_encoder_and_a_feature_space_contradict_each_other():
    with pytest.raises(ConfigurationError, match="give one of encoder= and feature_space="):
        fitted(lengths, feature_space=BagOfWords())


def test_an_encoder_without_rows_is_refused_by_its_own_name():
    with pytest.raises(ConfigurationError, match="encoder is for the classifier, which needs the rows: give X too"):
        LoLLabelModel(2, verbose=False).fit(VOTES, encoder=lengths)
