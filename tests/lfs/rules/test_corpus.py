"""Literals are found in the very texts that hold them."""

import numpy as np

from lol_lightning.lfs.rules import _corpus as corpus
from lol_lightning.lfs.rules._corpus import TextBlock, text_blocks

TEXTS = ["abc", "", "c ab", "a", "xab c", "日本 ab"]


def holding(literal, as_token=False):
    return np.flatnonzero(TextBlock(TEXTS).folded.holding([literal], as_token=as_token)).tolist()


def test_literals_are_found_at_both_ends_and_not_across_texts():
    assert holding(b"ab") == [0, 2, 4, 5]
    assert holding(b"ab", as_token=True) == [2, 5]
    assert holding(b"bc") == [0]
    assert holding(b"\xffa") == [0, 3]
    assert holding("日".encode()) == [5]
    assert holding(b"abc" * 20) == []
    assert holding(b"q") == []


def test_alternatives_are_united():
    assert TextBlock(TEXTS).folded.holding([b"x", b"bc"]).tolist() == [True, False, False, False, True, False]
    assert not TextBlock(TEXTS).folded.holding([]).any()


def test_ascii_words_are_exact_where_a_character_lowers_to_ascii():
    texts = ["\u212a", "\u0130", "\u017f", "\u0131", "KIS"]
    for word in ("k", "i", "s", "kis"):
        found = TextBlock(texts).lowered_for([word]).holding([word.encode()])
        assert found.tolist() == [word in text.lower() for text in texts], word


def test_blocks_cover_the_corpus_once(monkeypatch):
    monkeypatch.setattr(corpus, "_BLOCK_CHARS", 4)
    blocks = list(text_blocks(TEXTS))
    assert len(blocks) > 2
    assert [text for _, block in blocks for text in block.texts] == TEXTS
    assert [first for first, _ in blocks] == np.cumsum([0] + [len(block.texts) for _, block in blocks])[:-1].tolist()
