"""Data modules and the label model tolerate failures of LFs where that is wanted, and name them where it is not."""

import logging
import re

import pandas as pd
import pytest
from snorkel.labeling import LabelingFunction, PandasLFApplier

from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.exceptions import ConfigurationError, LabelingFunctionError
from lol_lightning.label_model.label_model import LoLLabelModel

FRAME = pd.DataFrame({"text": ["cheap pills", "nice song", "cheap", "hello you"] * 4})
SECOND = LabelingFunction("second", lambda x: 1 if x.text.split()[1] == "pills" else -1)
SONG = LabelingFunction("song", lambda x: 0 if "song" in x.text else -1)
LINE = (
    "Labeling functions failed: 'second' failed on 4 of 16 rows, counted as abstentions "
    "(row 2: raised IndexError: list index out of range)."
)


def test_a_data_module_counts_failures_and_says_so(caplog):
    caplog.set_level(logging.INFO)
    data = LoLDataModule(FRAME, lfs=[SECOND, SONG], fault_tolerant=True, progress_bar=False)
    data.setup("fit")
    snorkel = PandasLFApplier([SECOND, SONG]).apply(FRAME, progress_bar=False, fault_tolerant=True)
    assert data.train_votes.tolist() == [row for row in snorkel.tolist() if max(row) >= 0]
    assert caplog.messages.count(LINE) == 1
    assert [f.term for f in data.records[0].features] == ["pills"]


def test_without_tolerance_a_failure_is_an_error():
    with pytest.raises(LabelingFunctionError, match=r"'second' raised IndexError at row 2.*fault_tolerant=True"):
        LoLDataModule(FRAME, lfs=[SECOND, SONG], progress_bar=False).setup("fit")


def test_a_data_module_interrupts_an_lf_that_hangs(caplog):
    caplog.set_level(logging.INFO)
    frame = pd.concat([FRAME, pd.DataFrame({"text": ["a" * 40 + "b"]})], ignore_index=True)
    hangs = LabelingFunction("hangs", lambda x: 1 if re.search("(a+)+$", x.text) else -1)
    options = {"lfs": [hangs, SONG], "inspect": "declared", "max_call_seconds": 0.2, "progress_bar": False}
    with pytest.raises(LabelingFunctionError, match=r"'hangs' took longer than 0\.2 seconds at row 16"):
        LoLDataModule(frame, **options).setup("fit")
    LoLDataModule(frame, fault_tolerant=True, **options).setup("fit")
    assert any("'hangs' failed on 1 of 17 rows" in message for message in caplog.messages)


def test_the_label_model_inspects_lfs_that_fail():
    votes = PandasLFApplier([SECOND, SONG]).apply(FRAME, progress_bar=False, fault_tolerant=True)
    model = LoLLabelModel(2, verbose=False)
    model.fit(votes, X=FRAME, lfs=[SECOND, SONG], fault_tolerant=True, n_epochs=1, progress_bar=False)
    assert model.predict(None, X=FRAME).shape == (16,)


def test_the_text_is_no_label():
    with pytest.raises(ConfigurationError, match="text_column and label_column are both 'label'"):
        LoLDataModule(FRAME.rename(columns={"text": "label"}), lfs=[SONG], text_column="label")


@pytest.mark.parametrize("name", [0, ("text", "raw")])
def test_columns_of_every_name_give_targets(name):
    frame = (
        FRAME.rename(columns={"text": name}) if name == 0 else FRAME.set_axis(pd.MultiIndex.from_tuples([name]), axis=1)
    )
    lf = LabelingFunction("song", lambda x: 0 if "song" in x[name] else -1)
    data = LoLDataModule(frame, lfs=[lf], text_column=name, classes=2, progress_bar=False)
    data.setup("fit")
    assert data.audit[data.audit.num_targets > 0].inspected.tolist() == ["song"]
