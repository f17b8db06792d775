"""A small WRENCH directory, a configuration that trains on it, and its checkpoint."""

import json

import pytest
import yaml

from lol_lightning.cli import main

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
        "test": split(17),
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
        "model": {"method": "lol", "penalty": {"alpha": 1.0, "c": 0.1}, "lr": 0.02},
        "data": {
            "class_path": "lol_lightning.WrenchDataModule",
            "init_args": {"root": str(wrench_directory), "batch_size": 16, "progress_bar": False},
        },
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def checkpoint(config, tmp_path):
    main(["fit", "--config", str(config)])
    return tmp_path / "run" / "best.ckpt"
