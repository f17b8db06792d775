"""Checkpoints that something happens to while they are written or read."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from toy import loader, toy_batch, trainer_options

from lol_lightning import LoLClassifier
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.models.checkpoint_io import CarefulCheckpointIO, use_careful_checkpoints

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
WRITE = """
import sys, torch
from lol_lightning.models.checkpoint_io import CarefulCheckpointIO
path, what = sys.argv[1:]
if what == "full":
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
state = {"a": torch.randn(2 * 10**5)}
print("ready", flush=True)
while True:
    CarefulCheckpointIO().save_checkpoint({"state_dict": state}, path)
"""


@pytest.fixture
def trained():
    model = LoLClassifier(num_features=30, num_classes=3, hidden_sizes=(4,))
    trainer = pl.Trainer(plugins=[CarefulCheckpointIO()], **trainer_options(max_epochs=1))
    trainer.fit(model, loader(toy_batch()))
    return model, trainer


def test_a_trainer_writes_and_reads_with_it(trained, tmp_path):
    model, trainer = trained
    trainer.save_checkpoint(tmp_path / "deep" / "a.ckpt")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.ckpt"]
    again = LoLClassifier.load_from_checkpoint(tmp_path / "deep" / "a.ckpt")
    assert torch.equal(again.network.weight, model.network.weight)
    more = pl.Trainer(plugins=[CarefulCheckpointIO()], **trainer_options(max_epochs=2))
    more.fit(LoLClassifier(num_features=30, num_classes=3, hidden_sizes=(4,)), loader(toy_batch()),
             ckpt_path=tmp_path / "deep" / "a.ckpt")  # fmt: skip
    assert more.global_step == 2


@pytest.mark.parametrize("plugins", [[], [CarefulCheckpointIO()]], ids=["by itself", "plugin"])
def test_a_broken_checkpoint_is_named_and_the_model_stays_as_it_was(trained, tmp_path, plugins):
    _, trainer = trained
    trainer.save_checkpoint(path := tmp_path / "a.ckpt")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    model = LoLClassifier(num_features=30, num_classes=3, hidden_sizes=(4,))
    before = model.network.weight.clone()
    other = pl.Trainer(plugins=plugins, **trainer_options(max_epochs=2))
    with pytest.raises(DataError, match=r"a\.ckpt is not a checkpoint of Lightning: .*Trainer\.save_checkpoint"):
        other.fit(model, loader(toy_batch()), ckpt_path=path)
    assert torch.equal(model.network.weight, before)
    with pytest.raises(DataError, match=r"a\.ckpt is not a checkpoint of Lightning"):
        other.test(model, loader(toy_batch()), ckpt_path=path, verbose=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["state_dict"]["network.bias"].fill_(torch.nan), "network.bias holds a number that is not finite"),
        (lambda c: c["hyper_parameters"].update(hidden_sizes=[10**9]), r"hidden_sizes = \[10+\] does not fit the"),
        (lambda c: c["hyper_parameters"].update(num_classes=10**6), "num_classes = 10+ does not fit"),
        (lambda c: c["hyper_parameters"].update(dropout=float("nan")), "the hyperparameter dropout is not a number"),
        (lambda c: c["state_dict"].update(a=torch.ones(1).expand(2**40)), "a would need 4398046511104 bytes"),
        (lambda c: c.pop("state_dict"), "it has no state_dict"),
        (lambda c: c["state_dict"].pop("network.bias"), "network.bias"),
    ],
)
def test_what_is_no_model_is_refused_before_it_is_built(trained, tmp_path, change, message):
    _, trainer = trained
    trainer.save_checkpoint(path := tmp_path / "a.ckpt")
    checkpoint = torch.load(path, weights_only=True)
    change(checkpoint)
    torch.save(checkpoint, path)
    with pytest.raises(DataError, match=rf"a\.ckpt .*{message}"):
        LoLClassifier.load_from_checkpoint(path)


def test_an_argument_that_the_model_refuses_keeps_its_class(trained, tmp_path):
    _, trainer = trained
    trainer.save_checkpoint(path := tmp_path / "a.ckpt")
    with pytest.raises(ConfigurationError, match=r"a\.ckpt cannot be loaded: lr = -1"):
        LoLClassifier.load_from_checkpoint(path, lr=-1)


def test_a_state_that_does_not_fit_changes_no_size(trained):
    model, _ = trained
    state = model.state_dict()
    packed = bytes(state["_extra_state"].tolist()).replace(b'"num_classes":3', b'"num_classes":-3')
    other = LoLClassifier(hidden_sizes=(4,))
    with pytest.raises((DataError, ConfigurationError)):
        other.load_state_dict({**state, "_extra_state": torch.frombuffer(bytearray(packed), dtype=torch.uint8)})
    with pytest.raises(DataError, match="lacks 'sizes'"):
        other.load_state_dict({**state, "_extra_state": torch.frombuffer(bytearray(b"{}"), dtype=torch.uint8)})
    assert other.network is None


def test_the_choice_of_the_user_stays():
    class Own(CarefulCheckpointIO):
        pass

    for plugin, expected in (([], CarefulCheckpointIO), ([Own()], Own)):
        trainer = pl.Trainer(plugins=plugin, **trainer_options())
        use_careful_checkpoints(trainer)
        assert type(trainer.strategy.checkpoint_io) is expected


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path):
    path = tmp_path / "best.ckpt"
    path.write_text("old")
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WRITE, path, "full"],
        env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert "DataError: " in run.stderr
    assert "best.ckpt cannot be written: file too large." in run.stderr
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("best.ckpt", "old")]


def test_a_kill_leaves_a_whole_checkpoint(tmp_path):
    path = tmp_path / "best.ckpt"
    CarefulCheckpointIO().save_checkpoint({"state_dict": {}}, path)
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", WRITE, path, "killed"], env=ENVIRONMENT, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"ready\n"
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".*.tmp")) and time.monotonic() < deadline:
            pass
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert CarefulCheckpointIO().load_checkpoint(path)["state_dict"].keys() <= {"a"}
