import numpy as np
import pandas as pd
import pytest

from lol_lightning.cli import main
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.experiments.demo import METHODS, demo, generated_rows
from lol_lightning.experiments.image_demo import image_demo


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


def test_demo_is_chosen_by_the_score_that_is_asked_for(tmp_path, capsys):
    output = tmp_path / "new" / "mine"
    main(["demo", "--rows=60", "--seeds=1", "--trials=1", "--jobs=1", f"--output={output}", "--select-by=mcc"])
    printed = capsys.readouterr().out
    assert "chosen on validation MCC" in printed
    assert "Test MCC %" in printed
    assert "val_mcc" in set(pd.read_csv(f"{output}.csv")["metric"])
    assert sorted(path.name for path in output.parent.iterdir()) == ["mine.csv", "mine.png"]


@pytest.mark.parametrize("function", [demo, image_demo])
def test_an_unknown_score_is_named(function):
    with pytest.raises(ConfigurationError, match="select_by = 'nll'; use one of 'accuracy', 'macro_f1', 'mcc'"):
        function(select_by="nll")


@pytest.mark.parametrize("images", [[], ["--images"]])
def test_an_output_that_cannot_be_written_is_said_before_anything_is_trained(images, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as exit_info:
        main(["demo", *images, f"--output={tmp_path}/file/mine"])
    assert exit_info.value.code == 2
    assert "file/mine.csv cannot be written" in capsys.readouterr().err


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
