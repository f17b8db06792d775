"""A fit that is resumed from a checkpoint equals one that was never interrupted, bit for bit on the CPU."""

import warnings

import pytest
import pytorch_lightning as pl
import torch
from own_module import data
from processes import HELPERS, run_python
from pytorch_lightning.callbacks import LambdaCallback
from resumed_fit import every_step
from torch import nn
from toy import trainer_options
from toy_images import toy_module

from lol_lightning import LoLClassifier
from lol_lightning.baselines.end_to_end import EndToEndClassifier
from lol_lightning.data.loader import EpochSampler, LoLDataLoader
from lol_lightning.data.options import LoaderOptions
from lol_lightning.inspection.insertion import InsertionOptions


def text_data(**options):
    return data(batch_size=16, **options)


def loaders():
    module = text_data()
    module.setup("fit")
    return LoLDataLoader(module.dataset("train"), shuffle=True, batch_size=16)


def classifier(**options):
    return lambda: LoLClassifier(hidden_sizes=(8,), dropout=0.3, **options)


def own_network():
    return LoLClassifier(
        nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 2)), num_classes=2
    )


CASES = {
    "adam": (classifier(optimizer="adam"), text_data, {}),
    "lazy-adam": (classifier(optimizer="lazy-adam"), text_data, {}),
    "validation in mid-epoch": (classifier(), text_data, {"val_check_interval": 2}),
    "accumulated gradients": (classifier(), text_data, {"accumulate_grad_batches": 3}),
    "workers": (classifier(), lambda: text_data(loader=LoaderOptions(num_workers=1)), {}),
    "own network": (own_network, text_data, {}),
    "insertions": (
        classifier(),
        lambda: text_data(insertions=InsertionOptions(terms_per_step=3)),
        {"val_check_interval": 2},
    ),
    "images": (classifier(), toy_module, {}),
    "end to end": (lambda: EndToEndClassifier(hidden_sizes=(8,), encoder_hidden_sizes=(4,)), text_data, {}),
    "own loader": (classifier(num_features=16, num_classes=2), loaders, {"limit_val_batches": 0}),
}


def fit(case, directory, ckpt=None, seed=0, **changes):
    make_model, make_data, options = CASES[case]
    pl.seed_everything(seed, verbose=False)
    model = make_model()
    options = {
        "max_epochs": 3,
        "enable_checkpointing": True,
        "callbacks": [every_step(directory)],
        **options,
        **changes,
    }
    with warnings.catch_warnings():
        # The checkpoints of both fits lie in different directories, on purpose.
        warnings.filterwarnings("ignore", "The dirpath has changed")
        pl.Trainer(**trainer_options(**options)).fit(model, make_data(), ckpt_path=ckpt, weights_only=True)
    return model.state_dict()


def assert_equal(state, expected):
    assert state.keys() == expected.keys()
    for name, value in expected.items():
        assert state[name].equal(value), name


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_a_resumed_fit_equals_one_that_was_not_interrupted(case, tmp_path):
    expected = fit(case, tmp_path / "whole")
    saved = sorted((tmp_path / "whole").glob("*.ckpt"), key=lambda path: int(path.stem.partition("=")[2]))
    per_epoch = len(saved) // 3
    assert per_epoch >= 2 or case == "accumulated gradients"
    # In the first epoch, at its end, after the first step of the second, and before the last step.
    for number in {1, per_epoch, per_epoch + 1, len(saved) - 1}:
        seed = 7 if case == "own loader" else 0
        assert_equal(fit(case, tmp_path / f"from{number}", saved[number - 1], seed), expected)


@pytest.mark.ddp
@pytest.mark.slow
@pytest.mark.parametrize("devices", ["1", "2"])
def test_a_fit_that_was_killed_goes_on_as_if_nothing_had_happened(devices, tmp_path):
    def run(directory, ckpt="none", kill="0"):
        script = [HELPERS / "resumed_fit.py", tmp_path / directory, devices, ckpt, kill]
        run_python("-W", "ignore", *script, fails=kill != "0")

    run("whole")
    run("killed", kill="3")
    assert (tmp_path / "killed" / "step=3.ckpt").exists()
    run("killed", ckpt=tmp_path / "killed" / "step=3.ckpt")
    states = [torch.load(tmp_path / name, weights_only=True) for name in ("killed/end_False.pt", "whole/end_True.pt")]
    assert_equal(*states)


def test_every_epoch_has_its_own_order_of_all_rows():
    sampler = EpochSampler(range(100), seed=3)
    orders = [tuple(sampler) for _ in range(3)]
    assert len(set(orders)) == 3
    assert all(sorted(order) == list(range(100)) for order in orders)
    sampler.set_epoch(1)
    assert tuple(sampler) == orders[1]
    other = EpochSampler(range(100), seed=4)
    assert not {tuple(other) for _ in range(3)} & set(orders)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_loader_goes_on_with_the_batches_that_are_left(num_workers):
    module = text_data()
    module.setup("fit")
    make = lambda: LoLDataLoader(  # noqa: E731
        module.dataset("train"), shuffle=True, seed=1, batch_size=16, num_workers=num_workers
    )
    before = torch.get_rng_state()
    loader = make()
    whole = [batch.votes for batch in loader]
    iterator = iter(other := make())
    for _ in range(2):
        next(iterator)
    resumed = make()
    resumed.load_state_dict(other.state_dict())
    rest = [batch.votes for batch in resumed]
    assert len(rest) == len(whole) - 2 == len(resumed) - 2
    assert all(one.equal(two) for one, two in zip(rest, whole[2:], strict=True))
    assert len(list(resumed)) == len(whole)
    resumed.load_state_dict({"num_batches": len(whole)})
    assert len(list(resumed)) == len(whole)
    assert torch.get_rng_state().equal(before)


def test_the_mean_loss_of_an_epoch_is_that_of_all_its_rows_also_after_an_interruption(tmp_path):
    def train_losses(directory, ckpt=None):
        losses = []
        follow = LambdaCallback(
            on_train_epoch_end=lambda trainer, _: losses.append(float(trainer.callback_metrics["train_loss"]))
        )
        fit("adam", directory, ckpt, callbacks=[every_step(directory), follow])
        return losses

    whole = train_losses(tmp_path / "whole")
    assert train_losses(tmp_path / "again", tmp_path / "whole" / "step=6.ckpt") == whole[1:]
