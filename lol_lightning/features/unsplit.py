"""A warning where texts are in a script without spaces, and the vectorizer takes whole phrases for words."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from sklearn.feature_extraction.text import CountVectorizer

from lol_lightning._lightning import rank_zero_only
from lol_lightning.lfs.words import NO_SPACES

__all__ = ["warn_of_unsplit_texts"]

logger = logging.getLogger(__name__)

_NO_SPACES = re.compile(NO_SPACES)
_PHRASE = 8
"""Tokens of at least so many characters are mostly phrases: a word of Thai has four to six, of Chinese two."""
_MAX_TEXTS = 200


def warn_of_unsplit_texts(vectorizer: CountVectorizer, texts: Sequence[str]) -> None:
    """Warn once if in most of the texts most characters stand in phrases that the vectorizer does not split.

    Args:
        vectorizer: fitted.
        texts: the training texts, a sample of which is read.
    """
    if vectorizer.analyzer != "word":
        return
    sample = texts[:: -(-len(texts) // _MAX_TEXTS) or 1]
    foreign = [text for text in sample if not text.isascii() and _NO_SPACES.search(text)]
    if 2 * len(foreign) <= len(sample):
        return
    preprocess, tokenize = vectorizer.build_preprocessor(), vectorizer.build_tokenizer()
    unsplit = sum(_is_unsplit(tokenize(preprocess(text))) for text in foreign)
    if 2 * unsplit > len(sample):
        rank_zero_only(logger.warning)(
            "Most texts are in a script without spaces between words, so whole phrases became features and few occur "
            "twice. Put spaces between the words first (a segmenter of the language does), or use n-grams of "
            "characters: BagOfWords(CountVectorizer(analyzer='char', ngram_range=(2, 4), binary=True))."
        )


def _is_unsplit(tokens: Sequence[str]) -> bool:
    phrases = sum(len(token) for token in tokens if len(_NO_SPACES.findall(token)) >= _PHRASE)
    return 2 * phrases > sum(map(len, tokens))
