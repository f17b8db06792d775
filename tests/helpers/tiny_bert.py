"""A BERT of two layers of 32 units with random weights, its tokenizer, and rows that it learns within seconds."""

import pandas as pd

from lol_lightning import keyword_lf
from lol_lightning.data.tokens import TokenDataModule

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = ["win", "a", "prize", "nice", "song", "melod", "##y", "##ies", "this", "is", "of", "the", "day"]
PAD, UNK, CLS, SEP = range(4)


def backend():
    """A WordPiece tokenizer of the package tokenizers that puts [CLS] and [SEP] around a text."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    numbers = [f"w{number}" for number in range(20)]
    vocabulary = {word: place for place, word in enumerate([*SPECIAL, *WORDS, *numbers])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)]
    )
    return tokenizer


def tiny_tokenizer(**options):
    from transformers import PreTrainedTokenizerFast

    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=backend(), **{**special, "model_max_length": 16, **options})


def tiny_bert(num_labels=2, **options):
    from transformers import BertConfig, BertForSequenceClassification

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    sizes = {**sizes, "vocab_size": 40, "max_position_embeddings": 32}
    return BertForSequenceClassification(BertConfig(num_labels=num_labels, **{**sizes, **options}))


def rows(num_rows=60):
    words = ["prize", "song", "win", "melody"]
    texts = [f"{words[i % 4]} w{i % 7} " + "w9 " * (i % 5) for i in range(num_rows)]
    return pd.DataFrame({"text": texts, "label": [int(i % 4 in (0, 2)) for i in range(num_rows)]})


def lfs():
    return [keyword_lf("prize", ["prize"], 1), keyword_lf("song", ["song", "melody"], 0), keyword_lf("win", ["win"], 1)]


def token_data(tokenizer=None, **options):
    frame = rows()
    splits = {split: frame for split in ("val", "test", "predict")}
    tokenizer = backend() if tokenizer is None else tokenizer
    return TokenDataModule(frame, **splits, tokenizer=tokenizer, lfs=lfs(), progress_bar=False, **options)


def words_to_ids(texts):
    """A tokenizer of the user's own: one id for each word, 5 at the end of the text."""
    return [[10 + sum(map(ord, word)) % 25 for word in text.split()] + [5] for text in texts]
