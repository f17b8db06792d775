import pandas as pd
import pytest
from processes import run_python

from lol_lightning.cli import main


def test_predict_writes_probabilities(config, checkpoint, tmp_path):
    output = tmp_path / "predictions.csv"
    main(["predict", "--config", str(config), "--ckpt_path", str(checkpoint), "--output", str(output)])
    frame = pd.read_csv(output)
    assert list(frame.columns) == ["row", "class_0", "class_1", "prediction"]
    assert frame["row"].tolist() == list(range(17))
    assert frame["prediction"].tolist() == [0, 1] * 8 + [0]
    assert frame[["class_0", "class_1"]].sum(axis=1).between(0.9999, 1.0001).all()


@pytest.mark.ddp
@pytest.mark.slow
def test_two_processes_write_the_rows_of_one(config, checkpoint, tmp_path):
    frames = []
    for devices in (1, 2):
        output = tmp_path / f"{devices}" / "predictions.csv"
        options = ["--config", str(config), "--ckpt_path", str(checkpoint), "--output", str(output)]
        options += ["--data.batch_size", "3", "--trainer.devices", str(devices)]
        options += ["--trainer.strategy", "ddp"] if devices > 1 else []
        run_python("-m", "lol_lightning", "predict", *options)
        assert [path.name for path in output.parent.iterdir()] == ["predictions.csv"]
        frames.append(pd.read_csv(output))
    one, two = frames
    assert two["row"].tolist() == list(range(17))
    pd.testing.assert_frame_equal(one, two, rtol=1e-5)


def test_a_file_that_cannot_be_written_is_one_line_before_anything_is_predicted(config, checkpoint, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as exit_info:
        main(["predict", "--config", str(config), "--ckpt_path", str(checkpoint), f"--output={tmp_path}/file/p.csv"])
    assert exit_info.value.code == 2
    assert "file/p.csv cannot be written" in capsys.readouterr().err


def test_without_output_predictions_would_be_lost_and_one_line_says_the_cure(config, checkpoint, tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["predict", "--config", str(config), "--ckpt_path", str(checkpoint)])
    assert exit_info.value.code == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told == ("lol-lightning predict: nothing would be kept of the predictions: give --output predictions.csv.")


def test_another_callback_may_write_the_predictions(config, checkpoint, tmp_path):
    options = ["--trainer.callbacks=lol_lightning.models.prediction_writer.PredictionWriter"]
    options += [f"--trainer.callbacks.path={tmp_path / 'own.csv'}"]
    main(["predict", "--config", str(config), "--ckpt_path", str(checkpoint), *options])
    assert len(pd.read_csv(tmp_path / "own.csv")) == 17
