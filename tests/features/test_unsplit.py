import logging

import pytest
from sklearn.feature_extraction.text import CountVectorizer

from lol_lightning.features import BagOfWords

THAI = ["กรุณาติดตามช่อง", "เพลงเพราะมาก", "ติดตามด้วย", "ชอบเพลงนี้"]
SPACED = ["กรุณา ติดตาม ช่อง", "เพลง เพราะ มาก", "ติดตาม ด้วย", "ชอบ เพลง นี้"]
KHMER = ["សូមជាវឆានែលរបស់ខ្ញុំ", "ចម្រៀងនេះពីរោះណាស់"]
CHINESE = ["这个手机真的非常便宜", "这首歌曲真的非常好听", "便宜的药品请点击这里"]
ENGLISH = ["subscribe to my channel", "nice song", "what a song"]
CHARACTERS = CountVectorizer(analyzer="char", ngram_range=(2, 4), binary=True)


@pytest.mark.parametrize(
    ("texts", "vectorizer", "warned"),
    [
        (THAI, None, True),
        (KHMER, None, True),
        (THAI * 200 + ENGLISH, None, True),
        (CHINESE, CountVectorizer(), True),
        (SPACED, None, False),
        (CHINESE, None, False),
        (THAI, CHARACTERS, False),
        (THAI, CountVectorizer(tokenizer=list, token_pattern=None), False),
        (ENGLISH * 2 + THAI, None, False),
        (ENGLISH, None, False),
        (["コミュニケーション が好き", "この歌が好きです", "ペンをください"], None, False),
    ],
)
def test_one_line_says_that_texts_are_not_split(texts, vectorizer, warned, caplog):
    with caplog.at_level(logging.WARNING):
        BagOfWords(vectorizer).fit(texts)
    assert len(caplog.records) == warned
    assert caplog.text.count("BagOfWords(CountVectorizer(analyzer='char', ngram_range=(2, 4), binary=True))") == warned


def test_the_cure_of_the_warning_trains_and_can_be_saved():
    space = BagOfWords(CHARACTERS).fit(THAI)
    assert BagOfWords.from_state(space.state()).transform(THAI).sum() == space.transform(THAI).sum() > 0
