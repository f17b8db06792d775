import pandas as pd
import pytest

from benchmarks.accuracy.sweep import fit_and_measure, resume, scores
from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.data.synthetic import LABEL_NAMES, synthetic_comments, synthetic_lfs
from lol_lightning.models.classifier import LoLClassifier


def scored(settings):
    return [{**setting, "val_accuracy": 10.0 * setting["seed"]} for setting in settings]


def forbidden(settings):
    raise AssertionError(f"{settings} are known already")


def test_only_what_the_file_does_not_hold_is_run(tmp_path):
    path = tmp_path / "results" / "scores.csv"
    group = [{"dataset": "youtube", "seed": seed} for seed in range(2)]
    first = resume(path, [group[:1]], scored, jobs=1)
    assert first["val_accuracy"].tolist() == [0.0]
    both = resume(path, [group], scored, jobs=1)
    assert both.sort_values("seed")["val_accuracy"].tolist() == [0.0, 10.0]
    assert resume(path, [group], forbidden, jobs=1).equals(both)
    assert len(pd.read_csv(path)) == 2


def test_what_fails_is_raised(tmp_path):
    with pytest.raises(AssertionError, match="are known already"):
        resume(tmp_path / "scores.csv", [[{"seed": 0}]], forbidden, jobs=1)


def comments():
    train, held_out = synthetic_comments(200, seed=0), synthetic_comments(100, seed=1)
    rows = {"train": train.drop(columns="label"), "val": held_out, "test": held_out}
    return LoLDataModule(**rows, lfs=synthetic_lfs(), classes=LABEL_NAMES, progress_bar=False)


def test_one_loop_trains_with_the_data_module_or_with_its_batches_alone():
    models = []

    def make_model():
        models.append(LoLClassifier(num_features=data.num_features, num_classes=2, hidden_sizes=(8,)))
        return models[-1]

    data = comments()
    data.setup("fit")
    first, again = (fit_and_measure(data, make_model, seed=3, max_epochs=8) for _ in range(2))
    assert first == again
    assert first["val_accuracy"] == first["test_accuracy"] > 0.6
    assert first["warnings"] == 0
    assert models[0].lol.class_shares is not None
    assert "val_accuracy" not in fit_and_measure(data, make_model, seed=3, splits=["test"], max_epochs=1)
    of_batches = scores(data, make_model, seed=3, max_epochs=8)
    assert list(of_batches) == ["val_accuracy", "test_accuracy", "test_macro_f1"]
    assert of_batches["test_accuracy"] > 60
    assert models[-1].lol.class_shares is None


def test_warnings_of_the_training_are_counted():
    data = comments()
    measured = fit_and_measure(data, lambda: LoLClassifier(lr=1e30), seed=0, splits=[], max_epochs=1)
    assert measured == {"warnings": 1}
