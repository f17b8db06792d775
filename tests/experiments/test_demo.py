import numpy as np
import pandas as pd
import pytest

from lol_lightning.cli import main
from lol_lightning.experiments.demo import METHODS, generated_rows


def test_demo_compares_four_methods_and_saves_what_it_found(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(["demo", "--rows", "60", "--seeds", "1", "--trials", "1", "--jobs", "1"])
    printed = capsys.readouterr().out
    assert "60 unlabeled rows" in printed
    assert all(method in printed for method in METHODS)
    frame = pd.read_csv("demo.csv")
    accuracy = frame[frame["metric"] == "test_accuracy"]
    assert sorted(accuracy["method"]) == sorted(METHODS)
    assert accuracy["value"].between(0.5, 1).all()
    assert (frame["train_rows"] == 60).all()
    assert (tmp_path / "demo.png").stat().st_size > 1000


def test_generated_rows_are_unlabeled_for_training_and_differ_between_seeds():
    data, other = generated_rows(100, seed=0), generated_rows(100, seed=1)
    data.setup("fit")
    other.setup("fit")
    assert len(data.train_votes) + data.num_dropped_rows == 100
    assert "label" not in data.train_rows
    assert next(iter(data.train_dataloader())).labels is None
    assert set(np.unique(data.val_labels)) == {0, 1}
    assert data.train_rows["text"].tolist() != other.train_rows["text"].tolist()


def test_missing_directory_is_one_line(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["demo", "--data", "nowhere", "--seeds", "1", "--trials", "1", "--jobs", "1"])
    assert exit_info.value.code == 2
    assert "lol-lightning demo: there is no WRENCH directory 'nowhere'" in capsys.readouterr().err
