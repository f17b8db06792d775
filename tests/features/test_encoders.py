import numpy as np
import pytest
import torch
from tiny_encoder import load_tiny_encoder, save_tiny_encoder

import lol_lightning.features.encoder_loading as loading
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.features import _extras
from lol_lightning.features.encoder_loading import NamedEncoder, as_encoder
from lol_lightning.features.encoders import TransformerEncoder
from lol_lightning.features.token_pooling import length_limit, pooled

TEXTS = ["check my channel", "a very good song of the day", "", "prize"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny_encoder(tmp_path_factory.mktemp("encoder"))


def by_hand(folder, text, pooling, normalize=False):
    model, tokenizer = load_tiny_encoder(folder)
    with torch.inference_mode():
        [hidden] = model.eval()(**tokenizer(text, return_tensors="pt")).last_hidden_state
    vector = {"mean": hidden.mean(0), "cls": hidden[0], "max": hidden.amax(0)}[pooling]
    return (vector / vector.norm() if normalize else vector).numpy()


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_pooling_of_one_text_alone_and_in_a_batch(folder, pooling):
    vectors = as_encoder(folder, pooling, device="cpu").checked(TEXTS)
    expected = np.stack([by_hand(folder, text, pooling) for text in TEXTS])
    np.testing.assert_allclose(vectors, expected, rtol=1e-4, atol=1e-5)


def test_pooling_counts_no_padding_and_takes_the_first_token_of_left_padded_texts():
    hidden = torch.tensor([[[9.0], [-1.0], [-3.0]], [[2.0], [4.0], [9.0]], [[5.0], [5.0], [5.0]]])
    mask = torch.tensor([[0, 1, 1], [1, 1, 0], [0, 0, 0]])
    assert pooled(hidden, mask, "mean").flatten().tolist() == [-2, 3, 0]
    assert pooled(hidden, mask, "max").flatten().tolist() == [-1, 4, 0]
    assert pooled(hidden, mask, "cls").flatten().tolist() == [-1, 2, 0]


@pytest.mark.parametrize(("pooling", "normalize"), [("mean", False), ("cls", True), ("max", False)])
@pytest.mark.parametrize("installed", [True, False])
def test_what_a_folder_of_sentence_transformers_says_is_done(tmp_path, monkeypatch, pooling, normalize, installed):
    folder = save_tiny_encoder(
        tmp_path / "sentences", sentence_transformer=True, pooling=pooling, normalize=normalize, max_length=5
    )
    if not installed:
        monkeypatch.setattr(loading, "find_spec", lambda name: None)
    encoder = as_encoder(folder, device="cpu")
    assert encoder.max_length == 5
    assert type(encoder._model()).__name__ == ("SentenceEncoder" if installed else "TransformerEncoder")
    # Of five tokens, three are words.
    expected = np.stack(
        [by_hand(folder, text, pooling, normalize) for text in ("check my channel", "a very good", "", "prize")]
    )
    np.testing.assert_allclose(encoder.checked(TEXTS), expected, rtol=1e-4, atol=1e-5)
    assert encoder.num_cut(TEXTS) == 1


def test_a_loaded_sentence_transformer_is_as_it_was_afterwards(tmp_path):
    from sentence_transformers import SentenceTransformer

    folder = save_tiny_encoder(tmp_path / "sentences", sentence_transformer=True)
    model = SentenceTransformer(str(folder), device="cpu").train()
    encoder = as_encoder(model, max_length=4)
    vectors = encoder.checked(TEXTS)
    np.testing.assert_allclose(vectors[1], by_hand(folder, "a very", "mean"), rtol=1e-4, atol=1e-5)
    assert model.max_seq_length == 32
    assert model.training
    with pytest.raises(ConfigurationError, match="max_length = 33; the encoder SentenceTransformer reads between 1"):
        as_encoder(model, max_length=33)
    with pytest.raises(ConfigurationError, match="a SentenceTransformer pools by itself"):
        as_encoder(model, pooling="cls")


def test_a_loaded_model_is_as_it_was_afterwards(folder):
    model, tokenizer = load_tiny_encoder(folder)
    model.train()
    model.pooler.eval()
    encoder = as_encoder((model, tokenizer))
    first, second = encoder.checked(TEXTS), encoder.checked(TEXTS)
    np.testing.assert_array_equal(first, second)
    assert model.training
    assert not model.pooler.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_weights_that_were_trained_further_are_another_encoder(folder):
    model, tokenizer = load_tiny_encoder(folder)
    encoder = as_encoder((model, tokenizer))
    before = encoder.identity
    tokenizer(TEXTS, padding=True, truncation=True, max_length=7)
    assert encoder.identity == before
    with torch.no_grad():
        model.encoder.layer[1].output.dense.bias[3] += 1
    assert encoder.identity != before
    assert as_encoder(load_tiny_encoder(folder)).identity == before


def test_a_folder_is_known_by_its_content(tmp_path):
    one, two = (save_tiny_encoder(tmp_path / name) for name in ("one", "two"))
    assert NamedEncoder(one).identity == NamedEncoder(two).identity
    (two / "README.md").write_text("says nothing")
    assert NamedEncoder(one).identity == NamedEncoder(two).identity
    assert NamedEncoder(one, "cls").identity != NamedEncoder(one).identity
    assert NamedEncoder(one, max_length=8).identity != NamedEncoder(one).identity
    assert not NamedEncoder(one).is_loaded
    save_tiny_encoder(two, seed=1)
    assert NamedEncoder(one).identity != NamedEncoder(two).identity


def test_no_tokens_at_all_are_zeros(folder):
    from tokenizers import processors

    model, tokenizer = load_tiny_encoder(folder)
    tokenizer.backend_tokenizer.post_processor = processors.Sequence([])
    encoder = TransformerEncoder(model, tokenizer)
    assert encoder.checked(["", ""]).tolist() == [[0.0] * 32] * 2
    assert encoder.checked(["", "song"])[0].tolist() == [0.0] * 32


def test_length_limits(folder):
    model, tokenizer = load_tiny_encoder(folder)
    assert length_limit(model.config, tokenizer, None, "it") == 128
    tokenizer.model_max_length = int(1e30)
    assert length_limit(model.config, tokenizer, None, "it") == 128
    assert length_limit(None, tokenizer, None, "it") == 512
    with pytest.raises(ConfigurationError, match="max_length = 129; it reads between 1 and 128 tokens"):
        length_limit(model.config, tokenizer, 129, "it")


@pytest.mark.parametrize(
    ("encoder", "arguments", "message"),
    [
        (3, {}, "encoder = 3; give a name"),
        (torch.nn.Linear(2, 2), {}, "a model without a tokenizer"),
        (len, {"pooling": "cls"}, "pooling = 'cls', but the encoder is a function"),
        (len, {"device": "cpu"}, "device = 'cpu', but the encoder is a function"),
        ("/no/such/folder", {}, "'/no/such/folder' is missing"),
        ("./models", {}, "'./models' is missing"),
    ],
)
def test_what_is_no_encoder(encoder, arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        as_encoder(encoder, **arguments)


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(ConfigurationError, match=r"cannot be loaded: .* Give a folder with config"):
        as_encoder(tmp_path, device="cpu").checked(["a"])


def test_a_tokenizer_without_padding(folder):
    model, tokenizer = load_tiny_encoder(folder)
    tokenizer.pad_token = None
    with pytest.raises(ConfigurationError, match=r"tokenizer.pad_token = tokenizer.eos_token"):
        as_encoder((model, tokenizer))


def test_a_missing_package_names_the_extra(folder, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name, name=name)

    monkeypatch.setattr(_extras, "import_module", missing)
    with pytest.raises(ConfigurationError, match=r'transformers, .* pip install "lol-lightning\[text\]"'):
        as_encoder(folder, device="cpu").checked(["a"])
