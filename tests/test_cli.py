import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from lol_lightning.cli import main
from lol_lightning.models.lazy_adam import LazyAdam

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))
IMAGES = [path for path in CONFIGS if "LoLImageDataModule" in path.read_text()]
TEXTS = [path for path in CONFIGS if path not in IMAGES]
SPAM, HAM = "subscribe to my channel", "what a lovely song"
RULES = [
    {"name": "subscribe", "rules": [{"label": 1, "token": ["subscribe"]}]},
    {"name": "song", "rules": [{"label": 0, "token": ["song"]}]},
    {"name": "opinion", "rules": None},
]


def split(rows: int) -> dict[str, object]:
    return {
        str(i): {
            "label": i % 2,
            "weak_labels": [1, -1, 1] if i % 2 else [-1, 0, -1],
            "data": {"text": f"{SPAM if i % 2 else HAM} word{i % 7}"},
        }
        for i in range(rows)
    }


@pytest.fixture
def wrench_directory(tmp_path):
    directory = tmp_path / "toy"
    directory.mkdir()
    files = {
        "train": split(64),
        "valid": split(16),
        "test": split(16),
        "label": {"0": "ham", "1": "spam"},
        "lfs": RULES,
    }
    for name, content in files.items():
        (directory / f"{name}.json").write_text(json.dumps(content))
    return directory


@pytest.fixture
def config(tmp_path, wrench_directory):
    content = {
        "trainer": {
            "max_epochs": 3,
            "default_root_dir": str(tmp_path),
            "accelerator": "cpu",
            "devices": 1,
            "logger": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "log_every_n_steps": 1,
        },
        "checkpoint": {"dirpath": str(tmp_path / "run")},
        "model": {"method": "lol", "alpha": 1.0, "c": 0.1, "lr": 0.02},
        "data": {
            "class_path": "lol_lightning.WrenchDataModule",
            "init_args": {"root": str(wrench_directory), "batch_size": 16, "progress_bar": False},
        },
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


# Lightning advises more loader workers; for a bag of words none are fastest.
pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers:UserWarning")


@pytest.fixture
def checkpoint(config, tmp_path):
    main(["fit", "--config", str(config)])
    return tmp_path / "run" / "best.ckpt"


def test_fit_keeps_the_best_checkpoint_and_no_pickled_code(checkpoint):
    content = torch.load(checkpoint, weights_only=True)
    assert content["hyper_parameters"]["alpha"] == 1.0
    (best,) = (value for key, value in content["callbacks"].items() if key.startswith("ModelCheckpoint"))
    assert best["monitor"] == "val_accuracy"
    assert float(best["best_model_score"]) == 1.0


@pytest.mark.parametrize(("command", "stage"), [("validate", "val"), ("test", "test")])
def test_evaluation_reads_the_checkpoint(command, stage, config, checkpoint, capsys):
    main([command, "--config", str(config), "--ckpt_path", str(checkpoint)])
    printed = capsys.readouterr().out
    assert f"{stage}_accuracy" in printed
    assert "1.0" in printed


def test_predict_writes_probabilities(config, checkpoint, wrench_directory, tmp_path):
    output = tmp_path / "predictions.csv"
    main(["predict", "--config", str(config), "--ckpt_path", str(checkpoint), "--output", str(output)])
    frame = pd.read_csv(output)
    assert list(frame.columns) == ["row", "class_0", "class_1", "prediction"]
    assert frame["row"].tolist() == list(range(16))
    assert frame["prediction"].tolist() == [0, 1] * 8
    assert frame[["class_0", "class_1"]].sum(axis=1).between(0.9999, 1.0001).all()


def test_optimizer_and_scheduler_by_class_path(config, tmp_path):
    options = ["--optimizer", "torch.optim.SGD", "--optimizer.lr", "0.5"]
    options += ["--lr_scheduler", "torch.optim.lr_scheduler.StepLR", "--lr_scheduler.step_size", "1"]
    main(["fit", "--config", str(config), *options, "--lr_scheduler.gamma", "0.5"])
    content = torch.load(tmp_path / "run" / "best.ckpt", weights_only=True)
    (group,) = content["optimizer_states"][0]["param_groups"]
    assert "momentum" in group
    assert group["initial_lr"] == 0.5
    assert group["lr"] == 0.5 * 0.5 ** (content["epoch"] + 1)


def test_lazy_adam_by_class_path(config, tmp_path):
    main(["fit", "--config", str(config), "--optimizer", f"{LazyAdam.__module__}.LazyAdam", "--optimizer.lr", "0.03"])
    content = torch.load(tmp_path / "run" / "best.ckpt", weights_only=True)
    assert content["optimizer_states"][0]["param_groups"][0]["lr"] == 0.03


@pytest.mark.parametrize("source", ["directory", "config"])
def test_inspect_shows_lfs_and_audit(source, config, wrench_directory, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    main(["inspect", "--data", str(wrench_directory if source == "directory" else config)])
    printed = capsys.readouterr().out
    for expected in ("subscribe", "song", "opinion", "0.500"):
        assert expected in printed


@pytest.mark.parametrize("args", [[], ["--help"], ["-h"]])
def test_help_names_every_command(args, capsys):
    main(args)
    printed = capsys.readouterr().out
    assert all(f"\n  {command} " in printed for command in ("fit", "validate", "test", "predict", "inspect", "demo"))


def test_error_is_one_line_without_a_traceback(config, tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["fit", "--config", str(config), "--data.root", str(tmp_path / "nowhere")])
    error = capsys.readouterr().err
    assert exit_info.value.code == 2
    assert error.startswith("lol-lightning fit: ")
    assert str(tmp_path / "nowhere") in error
    assert error.count("\n") == 1


def test_inspect_names_a_file_without_data(tmp_path, capsys):
    (tmp_path / "empty.yaml").write_text("trainer: {}\n")
    with pytest.raises(SystemExit):
        main(["inspect", "--data", str(tmp_path / "empty.yaml")])
    assert "has no `data` section" in capsys.readouterr().err


def test_unknown_command_exits_with_2(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["train"])
    assert exit_info.value.code == 2
    assert "train" in capsys.readouterr().err


def test_module_runs_as_a_script():
    result = subprocess.run([sys.executable, "-m", "lol_lightning"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("usage: lol-lightning COMMAND")


def test_there_is_a_config_for_every_real_set():
    names = {path.stem for path in TEXTS}
    assert names == {"youtube", "sms", "chemprot", "agnews_24k", "yelp_7.6k", "imdb"}


@pytest.mark.wrench
@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_shipped_configs_train_and_test(path, wrench_root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = ["--config", str(path), "--data.root", str(wrench_root / path.stem), "--data.max_train_rows", "200"]
    options += ["--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false"]
    main(["fit", *options, "--trainer.max_epochs", "1"])
    main(["test", *options, "--ckpt_path", f"runs/{path.stem}/best.ckpt"])
    assert "test_accuracy" in capsys.readouterr().out


@pytest.mark.vision
@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)
def test_shipped_image_configs_train_and_test(path, vision_root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    root = str(vision_root / "awa1_svd256.npz")
    options = ["--config", str(path), "--data.root", root, "--data.labeler_epochs", "1", "--data.max_train_rows", "200"]
    options += ["--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false"]
    main(["fit", *options, "--trainer.max_epochs", "1"])
    main(["test", *options, "--ckpt_path", f"runs/{path.stem}/best.ckpt"])
    assert "test_accuracy" in capsys.readouterr().out
