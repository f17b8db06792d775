"""Sentences in many scripts, read by the bytes of their characters as multilingual tokenizers do."""

import unicodedata

import numpy as np
import pandas as pd
import pytest
from tiny_encoder import save_tiny_encoder

from lol_lightning import BagOfWords, LoLDataModule, keyword_lf
from lol_lightning.features import ColumnFeatures, TextEmbeddings

SCRIPTS = {
    "zh": (["这个手机很便宜", "歌曲很好听", "便宜的药品请点击", "我喜欢这首歌曲"], "便宜", "歌曲"),
    "ar": (["اشترك في قناتي", "اغنية جميلة", "من فضلك اشترك", "احب هذه اغنية"], "اشترك", "اغنية"),
    "hi": (["मेरा चैनल देखो", "गाना अच्छा है", "चैनल को देखो", "यह गाना सुनो"], "चैनल", "गाना"),
    "th": (["กรุณาติดตามช่อง", "เพลงเพราะมาก", "ติดตามด้วย", "ชอบเพลงนี้"], "ติดตาม", "เพลง"),
    "emoji": (["win 🎁 now", "love ❤️ it", "free 🎁🎁", "so ❤️❤️"], "🎁", "❤"),
    "de": (["Günstige Größe", "schönes Lied", "GÜNSTIGE Preise", "Lied ist schön"], "günstige", "lied"),
    "tr": (["İNDİRİM var", "şarkı güzel", "indirim İNDİRİM", "güzel şarkı"], "indirim", "şarkı"),  # noqa: RUF001
    "nfd": (
        [unicodedata.normalize("NFD", text) for text in ("café billig", "schönes Lied", "Café billig", "Lied schön")],
        "café",
        "lied",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny_encoder(tmp_path_factory.mktemp("bytes"), by_byte=True)


@pytest.fixture(scope="module")
def words_folder(tmp_path_factory):
    return save_tiny_encoder(tmp_path_factory.mktemp("words"))


def closest(features):
    """Return the smallest distance of two rows."""
    distances = np.linalg.norm(features[:, None] - features[None], axis=2)
    return distances[~np.eye(len(features), dtype=bool)].min()


@pytest.mark.parametrize("script", SCRIPTS)
def test_sentences_are_told_apart(folder, script):
    texts = SCRIPTS[script][0]
    features = TextEmbeddings(folder, device="cpu", progress_bar=False).fit_transform(texts)
    assert closest(features) > 1


def test_a_tokenizer_of_english_words_tells_none_apart(words_folder):
    # Texts of as many unknown words are one text to it, which is why the test above says something.
    texts = [SCRIPTS[script][0][0] for script in ("ar", "hi")]
    features = TextEmbeddings(words_folder, device="cpu", standardize=False, progress_bar=False).fit_transform(texts)
    assert closest(features) == 0


@pytest.mark.parametrize("script", ["zh", "ar", "hi", "emoji", "de", "tr", "nfd"])
def test_words_have_targets_beside_the_embedding(folder, script):
    texts, spam, ham = SCRIPTS[script]
    lfs = [keyword_lf("spam", [spam], label=1), keyword_lf("ham", [ham], label=0)]
    space = ColumnFeatures({"words": BagOfWords(), "meaning": TextEmbeddings(folder, device="cpu", progress_bar=False)})
    data = LoLDataModule(pd.DataFrame({"text": texts * 3}), lfs=lfs, feature_space=space, progress_bar=False)
    data.setup("fit")
    names = space.feature_names
    assert set(data.gradient_targets.lf.tolist()) == {0, 1}
    assert all(names[j].startswith("words: ") for j in data.gradient_targets.feature.tolist())
