import pandas as pd
import pytest

from lol_lightning.cli import main
from lol_lightning.experiments.image_demo import VARIANTS
from lol_lightning.vision.digits import STROKES, digits_data


def test_the_demo_compares_methods_on_digits_and_draws_gradients(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(
        ["demo", "--images", "--rows", "60", "--seeds", "1", "--trials", "1", "--jobs", "1", "--select_by", "macro_f1"]
    )
    printed = capsys.readouterr().out
    assert "4 or 9" in printed
    assert "chosen on macro F1 of 30 labeled rows" in printed
    assert "Test macro F1 %" in printed
    assert "closed loop" in printed
    assert "Gradients change the mean by " in printed
    frame = pd.read_csv("demo-images.csv")
    accuracies = frame[frame["metric"] == "test_accuracy"]
    assert set(accuracies["method"]) == set(VARIANTS)
    assert accuracies["value"].between(0.5, 1).all()
    assert (tmp_path / "demo-images.png").stat().st_size > 1000


@pytest.mark.parametrize("digits", ["[4, 4]", "[4, 12]"])
def test_digits_that_cannot_be_told_apart_are_one_line(digits, capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["demo", "--images", "--digits", digits])
    assert exit_info.value.code == 2
    assert "digits" in capsys.readouterr().err


def test_every_two_digits_differ_in_strokes_that_others_have_too():
    data = digits_data()
    values = data.matrix.values.float()
    assert len(STROKES) == values.shape[1]
    assert ((values.unsqueeze(0) - values.unsqueeze(1)).abs().sum(-1) >= 2).sum() == 90
    assert values.sum(0).ge(3).all()
    assert values.sum(0).le(8).all()
    assert data.inputs.min() == -1
    assert data.inputs.max() == 1
