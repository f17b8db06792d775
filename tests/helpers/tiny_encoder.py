"""A random encoder of a few kilobytes, with the files of a model of the hub; it needs neither network nor download."""

import json
from pathlib import Path

WORDS = (
    "a again at be body broke buy camera check channel come cheap day every for free great good guy how i in is it "
    "link love made meh me music my nice not now of on once out phone please pills plz prize refund song subscribe "
    "that the this to very video visit win works you awful nicely"
).split()


def save_tiny_encoder(
    folder,
    words=WORDS,
    *,
    pooling="mean",
    sentence_transformer=False,
    normalize=False,
    max_length=32,
    seed=0,
    hidden=32,
    layers=2,
    by_byte=False,
):
    """Write a BERT of two layers with random weights, and a tokenizer of whole words or of bytes, to a folder."""
    import torch
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    if by_byte:
        words = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {word: i for i, word in enumerate([*special, *dict.fromkeys(words)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    if by_byte:
        single = pre_tokenizers.Split(Regex("."), "isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False), single]
        )
    else:
        tokenizer.normalizer = normalizers.Lowercase()
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=128,
    )
    fast.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * hidden,
        max_position_embeddings=128,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = BertModel(config).eval()
        # The initial weights are so small that all texts would have nearly the same vector.
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3) if parameter.ndim > 1 else None
    model.save_pretrained(folder)
    if sentence_transformer:
        modules = [("", "Transformer"), ("1_Pooling", "Pooling")] + [("2_Normalize", "Normalize")] * normalize
        described = [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
            for i, (path, name) in enumerate(modules)
        ]
        (folder / "modules.json").write_text(json.dumps(described))
        (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": max_length}))
        (folder / "1_Pooling").mkdir(exist_ok=True)
        modes = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens"}
        content = {"word_embedding_dimension": hidden} | {
            f"pooling_mode_{name}": mode == pooling for mode, name in modes.items()
        }
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(content))
    return folder


def load_tiny_encoder(folder):
    """Return the model and the tokenizer of a folder."""
    from transformers import AutoModel, AutoTokenizer

    return AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
