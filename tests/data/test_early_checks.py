"""What cannot work is refused before LFs run, by the name of the argument; a text column has one name."""

import numpy as np
import pandas as pd
import pytest
from snorkel.labeling import LabelingFunction

from lol_lightning import BagOfWords, LoLDataModule, LoLLabelModel, inspect_lfs, keyword_lf, regex_lf, rules_lf
from lol_lightning.data.options import Classes
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.inspection.probing import probe_lfs
from lol_lightning.inspection.tracing import run_traced, trace_lf, trace_lfs
from lol_lightning.lfs.apply import fast_apply

ROWS = pd.DataFrame({"body": ["win", "song"], "label": [1, 0]})


def never(x):
    raise AssertionError("the LF ran")


SLOW = [LabelingFunction("slow", never)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"no 'text', only \['body'\].*text_column="),
        ({"text_column": "title"}, r"no 'title', only \['body'\].*text_column="),
        ({"text_column": "body", "val": ROWS.assign(label=["spam", "ham"])}, "row 0 has 'label' = 'spam'.*classes="),
        ({"text_column": "body", "val": ROWS.assign(label=[1, 5]), "classes": 2}, "label of the val rows is 5"),
        ({"text_column": "body", "test": ROWS.rename(columns={"body": "text"})}, r"no 'body', only \['text'\]"),
        ({"text_column": "body", "test": ROWS.assign(body=["a", None])}, "row 1 holds"),
    ],
)
def test_nothing_runs_before_rows_labels_and_classes_are_checked(options, message):
    data = LoLDataModule(ROWS, lfs=SLOW, progress_bar=False, **options)
    with pytest.raises(DataError, match=message):
        data.setup()


def test_label_models_check_first():
    votes = [[1], [0]]
    model = LoLLabelModel(2, verbose=False)
    with pytest.raises(DataError, match=r"no 'text', only \['body'\].*text_column="):
        model.fit(votes, X=ROWS, lfs=SLOW, progress_bar=False)
    with pytest.raises(ConfigurationError, match="class_balance has 3 entries"):
        model.fit(votes, X=ROWS, lfs=SLOW, text_column="body", class_balance=[1, 1, 1], progress_bar=False)


@pytest.mark.parametrize(
    "call",
    [
        lambda **name: keyword_lf("a", ["win"], 1, **name),
        lambda **name: regex_lf("a", "win", 1, **name),
        lambda **name: rules_lf("a", [{"label": 1, "token": ["win"]}], **name),
        lambda **name: BagOfWords(**name).fit(ROWS),
        lambda **name: inspect_lfs([keyword_lf("a", ["win"], 1, **name)], ROWS, progress_bar=False, **name),
        lambda **name: fast_apply([keyword_lf("a", ["win"], 1, text_column="body")], ["win"], **name),
        lambda **name: probe_lfs([keyword_lf("a", ["win"], 1, text_column="body")], ROWS, **name),
        lambda **name: trace_lfs([LabelingFunction("a", lambda x: 1 if "win" in x.body else -1)], ROWS, **name),
        lambda **name: trace_lf(LabelingFunction("a", lambda x: 1 if "win" in x.body else -1), ROWS, **name),
        lambda **name: run_traced(LabelingFunction("a", lambda x: 1 if "win" in x.body else -1), ROWS.iloc[0], **name),
    ],
)
def test_a_text_column_has_one_name_and_the_old_one_is_told(call):
    assert call(text_column="body") is not None
    with pytest.warns(FutureWarning, match="column= is now called text_column="):
        assert call(column="body") is not None
    with pytest.raises(ConfigurationError, match="give it once"):
        call(column="body", text_column="body")


@pytest.mark.parametrize("balance", [{"spam": 1, "ham": 3}, {1: 1, 0: 3}, pd.Series({1: 0.25, 0: 0.75}), [3, 1]])
def test_shares_by_class(balance):
    np.testing.assert_allclose(Classes(["ham", "spam"], balance=balance).shares().shares, [0.75, 0.25])


def test_shares_of_other_classes():
    with pytest.raises(ConfigurationError, match=r"keys \['eggs', 'ham'\]; they must be .*'spam'\]"):
        Classes(["ham", "spam"], balance={"eggs": 1, "ham": 1})
