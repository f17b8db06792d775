import json

import pytest
import torch
from torch import nn

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.networks.pretrained import (
    check_num_labels,
    load_by_name,
    network_from_state,
    state_of_network,
    usual_lr,
)

pytest.importorskip("transformers")
from tiny_bert import tiny_bert

TOKENS = torch.tensor([[2, 5, 6, 3]])


def test_a_configuration_builds_the_network_again():
    network = tiny_bert(3).eval()
    state = json.loads(json.dumps(state_of_network(network)))
    before = torch.get_rng_state()
    again = network_from_state(state, network.state_dict())
    assert torch.equal(torch.get_rng_state(), before)
    again.load_state_dict(network.state_dict())
    assert torch.equal(again.eval()(TOKENS).logits, network(TOKENS).logits)


def test_other_networks_have_no_such_state():
    assert state_of_network(nn.Linear(2, 2)) is None
    assert state_of_network(tiny_bert().bert) is None
    assert state_of_network(None) is None


def test_a_configuration_that_does_not_fit_the_weights_is_refused():
    network = tiny_bert()
    state = state_of_network(network)
    huge = {**json.loads(state["config"]), "vocab_size": 10**9}
    for broken in ({**state, "config": json.dumps(huge)}, {**state, "config": "{"}, {**state, "model_type": "none"}):
        with pytest.raises(DataError, match="the configuration of the network"):
            network_from_state(broken, network.state_dict())


def test_a_folder_is_loaded_with_a_new_head(tmp_path):
    network = tiny_bert(2)
    network.save_pretrained(tmp_path / "two")
    network.bert.half().save_pretrained(tmp_path / "encoder")
    network.float()
    again = load_by_name(str(tmp_path / "encoder"), 4)
    assert again(TOKENS).logits.shape == (1, 4)
    assert torch.equal(again.bert.pooler.dense.weight, network.bert.pooler.dense.weight)
    assert {parameter.dtype for parameter in again.parameters()} == {torch.float32}
    assert usual_lr(again) == 2e-5
    assert usual_lr(again.requires_grad_(False)) is None
    assert usual_lr(network) is None
    assert usual_lr(nn.Sequential(nn.Linear(2, 2))) is None
    with pytest.raises(ConfigurationError, match=r"network = .*missing' cannot be loaded as a Hugging Face classifier"):
        load_by_name(str(tmp_path / "missing"), 4)


def test_another_number_of_outputs_is_named():
    check_num_labels(tiny_bert(3), 3)
    check_num_labels(nn.Linear(2, 2), 3)
    with pytest.raises(ConfigurationError, match=r"BertForSequenceClassification has num_labels = 2.*num_classes = 3"):
        check_num_labels(tiny_bert(2), 3)
