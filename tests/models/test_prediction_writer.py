import numpy as np
import pandas as pd
import pytest
import torch
from ddp_predict import NUM_ROWS, Ratio, Rows
from processes import HELPERS, run_python
from torch.utils.data import DataLoader, IterableDataset
from toy import trainer_options

from lol_lightning._lightning import Trainer
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.models.prediction_writer import PredictionWriter, _table

EXPECTED = np.arange(NUM_ROWS) / (np.arange(NUM_ROWS) + 1)


def predict(path, loader, model=None):
    trainer = Trainer(**trainer_options(callbacks=[PredictionWriter(path)]))
    trainer.predict(Ratio() if model is None else model, loader, return_predictions=False)
    return pd.read_csv(path)


def test_rows_are_written_in_their_order_and_an_old_file_is_replaced(tmp_path):
    path = tmp_path / "new" / "p.csv"
    frame = predict(path, DataLoader(Rows(), batch_size=3))
    assert list(frame.columns) == ["row", "class_0", "class_1", "prediction"]
    assert frame["row"].tolist() == list(range(NUM_ROWS))
    np.testing.assert_allclose(frame["class_0"], EXPECTED, rtol=1e-6)
    assert frame["prediction"].tolist() == [1, 0, 0, 0, 0, 0, 0]
    mixed = predict(path, DataLoader(Rows(), batch_size=2, sampler=[4, 1, 6]))
    assert mixed["row"].tolist() == [1, 4, 6]
    np.testing.assert_allclose(mixed["class_0"], EXPECTED[[1, 4, 6]], rtol=1e-6)
    assert [file.name for file in path.parent.iterdir()] == ["p.csv"]


@pytest.mark.ddp
@pytest.mark.slow
def test_two_processes_write_each_row_once_and_in_order(tmp_path):
    path = tmp_path / "p.csv"
    run_python(HELPERS / "ddp_predict.py", path)
    frame = pd.read_csv(path)
    assert frame["row"].tolist() == list(range(NUM_ROWS))
    np.testing.assert_allclose(frame["class_0"], EXPECTED, rtol=1e-6)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(torch.tensor([[float(row), 1.0] for row in range(NUM_ROWS)]))


@pytest.mark.filterwarnings("ignore:Couldn't infer the batch indices")
def test_a_loader_without_positions_counts_its_rows(tmp_path):
    frame = predict(tmp_path / "p.csv", DataLoader(Stream(), batch_size=3))
    np.testing.assert_allclose(frame["class_0"], EXPECTED, rtol=1e-6)


def test_several_processes_need_positions():
    part = [(None, torch.rand(2, 3))]
    with pytest.raises(ConfigurationError, match="does not tell which rows each process read"):
        _table([part, part])
    with pytest.raises(DataError, match="there were no rows"):
        _table([[], []])


class Labels(Ratio):
    def predict_step(self, batch, batch_idx):
        return batch.argmax(1)


def test_predictions_must_be_probabilities(tmp_path):
    with pytest.raises(DataError, match=r"predict_step returned \(3,\); a CSV needs class probabilities"):
        predict(tmp_path / "p.csv", DataLoader(Rows(), batch_size=3), Labels())
    assert not (tmp_path / "p.csv").exists()


class Several(Ratio):
    def predict_step(self, batch, batch_idx, dataloader_idx=0):
        return super().predict_step(batch, batch_idx)


def test_one_loader_at_a_time(tmp_path):
    with pytest.raises(ConfigurationError, match="predict one at a time"):
        predict(tmp_path / "p.csv", [DataLoader(Rows()), DataLoader(Rows())], Several())


def test_a_directory_that_cannot_be_made_is_named_before_the_prediction(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file/p.csv cannot be written"):
        predict(tmp_path / "file" / "p.csv", DataLoader(Rows()))
