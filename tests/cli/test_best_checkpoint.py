"""What ``fit`` keeps: the best checkpoint by a metric that the model really logs."""

import json
import sys

import pytest
import torch

from lol_lightning.cli import main
from lol_lightning.models.classifier import LoLClassifier

MODULE = """
import torch
from lol_lightning import LoLClassifier


class Logging(LoLClassifier):
    def __init__(self, log: dict[str, list[float]] | None = None, in_training: bool = False, **kwargs):
        super().__init__(method="lol-simple", **kwargs)
        self.to_log, self.in_training = log or {}, in_training

    def _log_own(self):
        for name, values in self.to_log.items():
            self.log(name, torch.tensor(values[min(self.current_epoch, len(values) - 1)]), batch_size=1)

    def training_step(self, batch, batch_idx):
        if self.in_training:
            self._log_own()
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch, batch_idx):
        if not self.in_training:
            self._log_own()
"""


@pytest.fixture(autouse=True)
def logging_module(tmp_path, monkeypatch):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "logging_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    yield
    sys.modules.pop("logging_module", None)


@pytest.fixture
def fit(config, tmp_path, caplog):
    """Train a model that logs the values of a mapping, one for each epoch; return the epoch that is kept."""

    def run(log, *options, model="logging_module.Logging"):
        caplog.clear()
        own = [f"--model={model}"]
        own += [f"--model.log={json.dumps(log)}"] if log is not None else []
        main(["fit", "--config", str(config), *own, *options])
        (path,) = (tmp_path / "run").glob("*.ckpt")
        assert path.name == "best.ckpt"
        return torch.load(path, weights_only=True)["epoch"], caplog.text

    return run


@pytest.mark.parametrize(
    ("name", "mode", "expected"),
    [
        ("val_macro_f1", [], 1),
        ("val_mcc", [], 1),
        ("val_loss", [], 2),
        ("val_nll", [], 2),
        ("val_mcc", ["--checkpoint.mode=min"], 2),
        ("val_loss", ["--checkpoint.mode=max"], 1),
    ],
)
def test_the_best_by_a_named_metric_is_kept_and_losses_are_best_where_lowest(name, mode, expected, fit):
    epoch, told = fit({name: [0.5, 0.9, 0.1], "val_accuracy": [0.9, 0.8, 0.7]}, f"--checkpoint.monitor={name}", *mode)
    assert epoch == expected
    which = "lowest" if "loss" in name or "nll" in name else "highest"
    assert told.count(f"The checkpoint of the {which} {name} is kept") == (not mode)


def test_accuracy_is_the_default_and_needs_no_words(fit):
    epoch, told = fit({"val_accuracy": [0.5, 0.9, 0.7], "val_loss": [0.1, 0.2, 0.3]})
    assert epoch == 1
    assert "is kept" not in told


def test_without_an_accuracy_the_lowest_loss_is_kept_and_one_line_says_so(fit):
    epoch, told = fit({"val_loss": [0.5, 0.1, 0.7], "val_auc": [0.1, 0.2, 0.3]})
    assert epoch == 1
    line = "The model logs no val_accuracy (it logs val_auc, val_loss): the checkpoint of the lowest val_loss is kept."
    assert told.count(line) == 1


def test_with_neither_the_last_epoch_is_kept(fit):
    epoch, told = fit({"val_auc": [0.3, 0.2, 0.1]})
    assert epoch == 2
    assert told.count("(it logs val_auc): the last checkpoint is kept.") == 1


@pytest.mark.parametrize("options", [["--trainer.limit_val_batches=0"], ["--trainer.num_sanity_val_steps=0"]])
def test_without_validation_the_last_epoch_is_kept(options, fit):
    epoch, told = fit({}, *options)
    assert epoch == 2
    assert told.count("The model logs no val_accuracy (it logs ") == 1


def test_validation_rows_without_labels_are_kept_by_their_loss(fit, wrench_directory):
    path = wrench_directory / "valid.json"
    rows = json.loads(path.read_text())
    for row in rows.values():
        del row["label"]
    path.write_text(json.dumps(rows))
    _, told = fit(None, model="LoLClassifier")
    assert told.count("the checkpoint of the lowest val_loss is kept") == 1


@pytest.mark.parametrize(
    ("log", "options", "logged"),
    [
        ({"val_loss": [0.1]}, ["--checkpoint.monitor=val_macro"], "it logs val_loss"),
        ({}, ["--checkpoint.monitor=val_mcc"], "it logs nothing"),
        ({"val_auc": [0.1]}, ["--checkpoint.monitor=auc"], "it logs train_"),
        ({"val_auc": [0.1]}, ["--checkpoint.monitor=auc", "--trainer.val_check_interval=0.5"], ", val_auc"),
        ({}, ["--checkpoint.monitor=val_mcc", "--trainer.limit_val_batches=0"], "it logs train_"),
    ],
)
def test_a_metric_that_is_not_logged_is_refused_in_one_line(log, options, logged, fit, capsys):
    with pytest.raises(SystemExit) as exit_info:
        fit(log, *options)
    assert exit_info.value.code == 2
    name = options[0].partition("=")[2]
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"lol-lightning fit: the model does not log '{name}', which --checkpoint.monitor names; ")
    assert logged in last


@pytest.mark.parametrize("options", [[], ["--trainer.val_check_interval=0.5"], ["--trainer.limit_val_batches=0"]])
def test_metrics_of_training_may_be_monitored(options, fit):
    epoch, _ = fit({"purity": [0.1, 0.9, 0.3]}, "--checkpoint.monitor=purity", "--model.in_training=true", *options)
    assert epoch == 1


def test_a_fit_that_goes_on_remembers_what_it_monitored(fit, tmp_path):
    log = {"val_loss": [0.5, 0.4, 0.6, 0.5, 0.7], "val_mcc": [0.9, 0.8, 0.1, 0.3, 0.2]}
    assert fit(log)[0] == 1
    again = ["--trainer.max_epochs=5", f"--ckpt_path={tmp_path / 'run' / 'best.ckpt'}"]
    epoch, told = fit(None, *again)
    assert epoch == 1
    assert "callbacks used to create the checkpoint" not in told
    # Scores of another metric say nothing about this one: the best MCC is that of the epochs from here on.
    assert fit(None, "--checkpoint.monitor=val_mcc", *again)[0] == 3


def test_a_checkpoint_of_another_monitor_is_tested_without_a_warning(config, fit, tmp_path, capsys):
    fit(None, "--checkpoint.monitor=val_macro_f1", model="LoLClassifier")
    main(["test", "--config", str(config), f"--ckpt_path={tmp_path / 'run' / 'best.ckpt'}"])
    assert "test_macro_f1" in capsys.readouterr().out
    assert LoLClassifier.load_from_checkpoint(tmp_path / "run" / "best.ckpt")
