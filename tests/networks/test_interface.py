import pytest
import torch
from torch import nn

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.features.token_rows import TokenRows
from lol_lightning.networks import logits_of

TOKENS = {"input_ids": torch.tensor([[1, 2, 0]]), "attention_mask": torch.tensor([[1, 1, 0]])}


class Network(nn.Module):
    """Notes what it got, by the signature of a function."""

    def __init__(self, forward):
        super().__init__()
        self.forward = forward


def sums(*tensors):
    return torch.stack([tensor.sum(1).float() for tensor in tensors], 1)


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        (lambda input_ids, attention_mask: sums(input_ids, attention_mask), [3.0, 2.0]),
        (lambda input_ids: sums(input_ids, input_ids), [3.0, 3.0]),
        (lambda x: sums(x, x), [3.0, 3.0]),
        (lambda x, attention_mask: sums(x, attention_mask), [3.0, 2.0]),
        (lambda x, mask=None: sums(x, x), [3.0, 3.0]),
        (lambda *rows: sums(*rows, *rows), [3.0, 3.0]),
        (lambda **tokens: sums(tokens["input_ids"], tokens["attention_mask"]), [3.0, 2.0]),
        (lambda input_ids, token_type_ids=None: sums(input_ids, input_ids), [3.0, 3.0]),
    ],
)
def test_a_network_gets_the_tokens_that_it_takes(forward, expected):
    assert logits_of(Network(forward), TOKENS)[0].tolist() == expected
    rows = TokenRows.from_lists([[1, 2]])
    if forward.__code__.co_varnames[-1] != "attention_mask":
        assert logits_of(Network(forward), rows).shape == (1, 2)


def test_a_compiled_network_gets_what_the_one_within_takes():
    network = torch.compile(nn.Sequential(nn.EmbeddingBag(3, 2)), backend="eager")
    assert logits_of(network, TOKENS).shape == (1, 2)


def test_an_argument_that_no_batch_holds_is_named():
    with pytest.raises(ConfigurationError, match=r"Network.forward needs 'mask', and a batch of tokens holds"):
        logits_of(Network(lambda x, mask: x), TOKENS)


def test_a_model_without_a_head_is_named():
    class Output:
        last_hidden_state = torch.zeros(1)

    with pytest.raises(ConfigurationError, match=r"returned a Output.*AutoModelForSequenceClassification"):
        logits_of(Network(lambda input_ids: Output()), TOKENS)
