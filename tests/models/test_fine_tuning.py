import math

import pytest
import torch
from torch import nn

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.models.fine_tuning import FineTuning, parameter_groups
from lol_lightning.models.step_schedule import StepSchedule

pytest.importorskip("transformers")
from tiny_bert import tiny_bert


def rates(network, **options):
    options = {"lr": 1.0, "weight_decay": 0.1, "layer_decay": 0.5, **options}
    return {group["name"]: group for group in parameter_groups(network.named_parameters(prefix="network"), **options)}


def test_lower_layers_learn_slower():
    groups = rates(tiny_bert())
    expected = {"embeddings": 0.125, "layer 0": 0.25, "layer 1": 0.5, "head": 1.0}
    assert {name: group["lr"] for name, group in groups.items()} == {
        **expected,
        **{f"{name}, no decay": lr for name, lr in expected.items()},
    }
    assert {name: group["weight_decay"] for name, group in groups.items()} == {
        **dict.fromkeys(expected, 0.1),
        **{f"{name}, no decay": 0.0 for name in expected},
    }


def test_each_parameter_is_in_the_group_of_its_layer():
    network = tiny_bert()
    by_id = {id(p): name for name, group in rates(network).items() for p in group["params"]}
    assert len(by_id) == len(list(network.parameters()))
    where = {name: by_id[id(p)] for name, p in network.named_parameters()}
    assert where["bert.embeddings.word_embeddings.weight"] == "embeddings"
    assert where["bert.embeddings.LayerNorm.weight"] == "embeddings, no decay"
    assert where["bert.encoder.layer.1.attention.self.query.weight"] == "layer 1"
    assert where["bert.encoder.layer.0.output.dense.bias"] == "layer 0, no decay"
    assert where["bert.pooler.dense.weight"] == "head"
    assert where["classifier.bias"] == "head, no decay"


def test_without_decay_of_layers_there_are_two_groups():
    groups = rates(tiny_bert(), layer_decay=1.0)
    assert [(name, group["lr"]) for name, group in groups.items()] == [("all", 1.0), ("all, no decay", 1.0)]


def test_other_families_name_their_layers_otherwise():
    class Blocks(nn.Module):
        def __init__(self):
            super().__init__()
            self.wte = nn.Embedding(3, 2)
            self.h = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)])
            self.score = nn.Linear(2, 2)

    groups = rates(Blocks())
    assert groups["layer 0"]["lr"] == 0.125
    assert groups["layer 2"]["lr"] == 0.5
    assert groups["embeddings"]["lr"] == 0.0625


def test_parameters_that_are_frozen_are_left_out():
    network = tiny_bert()
    network.bert.requires_grad_(False)
    assert set(rates(network, layer_decay=1.0)) == {"all", "all, no decay"}
    assert sum(len(group["params"]) for group in rates(network, layer_decay=1.0).values()) == 2


def test_layers_that_no_name_tells_are_refused():
    with pytest.raises(ConfigurationError, match=r"layer_decay = 0.5 needs layers .* trains network.0.weight"):
        rates(nn.Sequential(nn.Linear(2, 2)))


@pytest.mark.parametrize(
    ("warmup", "num_steps", "expected"),
    [(0.5, 4, [1 / 3, 2 / 3, 1.0, 0.5]), (1, 4, [0.5, 1.0, 2 / 3, 1 / 3]), (0, 4, [1.0, 0.75, 0.5, 0.25])],
)
def test_the_schedule_multiplies_the_rates_of_all_groups(warmup, num_steps, expected):
    weights = [nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": [weights[0]], "lr": 0.1}, {"params": [weights[1]], "lr": 0.4}])
    scheduler = StepSchedule(optimizer, "linear", warmup)
    scheduler.set_num_steps(num_steps)
    noted = []
    for _ in range(num_steps):
        noted.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    assert [rates[0] / 0.1 for rates in noted] == pytest.approx(expected)
    assert [rates[1] / 0.4 for rates in noted] == pytest.approx(expected)


def test_a_fit_without_an_end_needs_a_constant_rate():
    with pytest.raises(ConfigurationError, match=r"lr_schedule = 'linear' .* no end: give it max_epochs"):
        FineTuning().check_end(math.inf)
    with pytest.raises(ConfigurationError, match=r"'constant' with warmup_steps = 0.1 depends"):
        FineTuning("constant").check_end(math.inf)
    FineTuning("constant", 10).check_end(math.inf)
    FineTuning().check_end(10)


def test_a_schedule_goes_on_from_its_state():
    schedules = []
    for _ in range(2):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        schedules.append(StepSchedule(optimizer, "cosine", 1))
        schedules[-1].set_num_steps(6)
    for _ in range(3):
        schedules[0].optimizer.step()
        schedules[0].step()
    schedules[1].load_state_dict(schedules[0].state_dict())
    schedules[1].set_num_steps(6)
    assert schedules[1].get_lr() == schedules[0].get_lr() == [pytest.approx((1 + math.cos(math.pi * 2 / 5)) / 2)]
    assert schedules[1].optimizer.param_groups[0]["lr"] == schedules[0].get_lr()[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr_schedule": "step"}, "lr_schedule = 'step'; use one of 'linear', 'cosine', 'constant'"),
        ({"layer_decay": 0}, r"layer_decay = 0 must lie in \(0, 1\]"),
        ({"layer_decay": 1.1}, "layer_decay = 1.1 must lie"),
        ({"warmup_steps": 1.5}, "warmup_steps = 1.5 must be a whole number of steps, or a fraction"),
        ({"warmup_steps": -1}, "warmup_steps = -1 must be"),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        FineTuning(**options)


def test_plain_form():
    settings = FineTuning("cosine", 3, 0.9, True)
    assert FineTuning.of(settings.plain()) == settings
    assert FineTuning.of(None) is None


def gradients(checkpointing):
    torch.manual_seed(0)
    network = tiny_bert().train()
    FineTuning(gradient_checkpointing=checkpointing).prepare(network)
    torch.manual_seed(1)
    logits = network(torch.arange(4, 20).reshape(2, 8)).logits
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
    return {name: parameter.grad for name, parameter in network.named_parameters()}, network


def test_checkpointed_activations_give_the_same_gradients():
    (kept, _), (anew, network) = gradients(False), gradients(True)
    assert network.bert.encoder.layer[0].gradient_checkpointing
    for name, gradient in kept.items():
        torch.testing.assert_close(anew[name], gradient)
    with pytest.raises(ConfigurationError, match="gradient_checkpointing = True is for models of Hugging Face"):
        FineTuning(gradient_checkpointing=True).prepare(nn.Linear(2, 2))
