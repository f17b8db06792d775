"""Arguments that are no numbers, or lie out of their range: each is named with its value and what it must be."""

from __future__ import annotations

import io
import logging

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from snorkel.labeling import LabelingFunction
from torch import nn

from lol_lightning import LoLClassifier, LoLDataModule, LoLLabelModel
from lol_lightning.data import Classes, LoaderOptions, MatrixDataModule
from lol_lightning.exceptions import ConfigurationError, DataError, LabelingFunctionError, check_number
from lol_lightning.features import BagOfWords
from lol_lightning.inspection import inspect_lfs
from lol_lightning.lfs.adapter import gradient_labeling_function
from lol_lightning.lfs.rules.rules import keyword_lf, rules_lf
from lol_lightning.losses import GradientPenalty
from lol_lightning.losses.penalties.base import as_penalty

LF = keyword_lf("free", ["free"], label=1)


@pytest.mark.parametrize("value", ["1", None, True, float("nan"), float("inf"), [1], 1j, np.nan, -0.5])
def test_what_is_no_number_of_the_range_is_refused(value):
    with pytest.raises(ConfigurationError, match=r"^lr = .* must be a finite number, not below 0\.$"):
        check_number("lr", value, at_least=0)


@pytest.mark.parametrize("value", [0, 0.0, 1, np.float32(0.5), np.int64(3)])
def test_numbers_of_every_type_are_accepted(value):
    check_number("lr", value, at_least=0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: GradientPenalty(alpha="3"), "alpha = '3' must be a finite number, not below 0"),
        (lambda: GradientPenalty(c=0), "c = 0 must be a finite number above 0"),
        (lambda: GradientPenalty(every=1.5), "every = 1.5 must be at least 1, a whole number"),
        (lambda: GradientPenalty(warmup=-1), "warmup = -1 must be at least 0"),
        (lambda: GradientPenalty(num_samples=2.5), "num_samples = 2.5 must be at least 1, a whole number"),
        (lambda: GradientPenalty(phi=1.0), "phi = 1.0 must be a finite number above 0 and below 1"),
        (lambda: GradientPenalty(seed="x"), "seed = 'x' must be a whole number"),
        (lambda: as_penalty("gradient", GradientPenalty), r"penalty = 'gradient'; give an object, such as Gradient"),
        (lambda: as_penalty(GradientPenalty, GradientPenalty), r"penalty = <class .*; give an object"),
        (lambda: MatrixDataModule(np.eye(2), votes=np.eye(2, dtype=int), batch_size="x"), "batch_size = 'x' must be"),
        (lambda: MatrixDataModule(np.eye(2), votes=np.eye(2, dtype=int), batch_size=2.5), "batch_size = 2.5 must be"),
        (lambda: MatrixDataModule(np.eye(2), votes=np.eye(2, dtype=int), loader={}), r"loader = \{\}; give LoaderOpt"),
        (lambda: LoaderOptions(num_workers=-1), "num_workers = -1 must be at least 0"),
        (lambda: LoaderOptions(seed="x"), "seed = 'x' must be a whole number"),
        (lambda: Classes.of(2.0), r"classes = 2.0; give their number"),
        (lambda: Classes.of(True), r"classes = True; give their number"),
        (lambda: inspect_lfs([LF], ["free"], max_calls="x"), "max_calls = 'x' must be at least 0, a whole number"),
        (lambda: inspect_lfs([LF], ["free"], seed="x"), "seed = 'x' must be at least 0, a whole number"),
        (lambda: inspect_lfs([LF], ["free"], CountVectorizer()), r"a CountVectorizer; give BagOfWords\(vectorizer\)"),
        (lambda: inspect_lfs([LF], ["free"], BagOfWords), r"the class BagOfWords; give an object: BagOfWords\(\)"),
        (lambda: inspect_lfs([LF], ["free"], textcolumn="b"), "no argument 'textcolumn'; did you mean text_column?"),
    ],
)
def test_wrong_arguments_are_named_where_they_are_given(build, message):
    with pytest.raises(ConfigurationError, match=message):
        build()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: rules_lf("r", ["free"]), "rule 'free' is no rule; write one as a dict"),
        (lambda: gradient_labeling_function(features={1: 3})(len), "features of class 1 are 3; give a list of texts"),
        (lambda: gradient_labeling_function(features={1: b"x"})(len), "features of class 1 are b'x'"),
        (lambda: gradient_labeling_function(features=5)(len), r"features = 5; write features=\{label: \[terms\]\}"),
    ],
)
def test_ill_defined_labeling_functions_are_named(build, message):
    with pytest.raises(LabelingFunctionError, match=message):
        build()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lr": "fast"}, "lr = 'fast' must be a finite number above 0"),
        ({"weight_decay": True}, "weight_decay = True must be"),
        ({"dropout": 1.0}, "dropout = 1.0 must be a finite number, not below 0 and below 1"),
        ({"hidden_sizes": 64}, r"hidden_sizes = 64; give the sizes of one layer or more, as \(64, 16\)"),
        ({"hidden_sizes": "64,16"}, "hidden_sizes = '64,16'; give"),
        ({"hidden_sizes": [6.4]}, "a size in hidden_sizes = 6.4 must be at least 1, a whole number"),
        ({"num_features": "x"}, "num_features = 'x' must be at least 1"),
        ({"num_classes": 1}, "num_classes = 1 must be at least 2"),
        ({"shares_weight": "x"}, "shares_weight = 'x' must be"),
        ({"lf_weights": {"free": 1}}, r"lf_weights = \{'free': 1\}; give a list of numbers"),
        ({"network": nn.Linear}, r"network is the class Linear; give an object: Linear\(...\)"),
        ({"network": len}, "is no torch.nn.Module"),
    ],
)
def test_wrong_arguments_of_a_classifier_are_named(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        LoLClassifier(**arguments)


@pytest.mark.parametrize("name", ["class_weights", "class_shares"])
def test_numbers_by_class_are_read_by_class_and_not_as_the_numbers_of_the_classes(name):
    model = LoLClassifier(num_features=3, num_classes=2, **{name: {1: 0.75, 0: 0.25}})
    assert model.hparams[name] == [0.25, 0.75]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cardinality": 2.0}, "cardinality = 2.0; there must be at least 2 classes, a whole number"),
        ({"cardinality": "2"}, "cardinality = '2'"),
    ],
)
def test_wrong_arguments_of_a_label_model_are_named(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        LoLLabelModel(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lr": "fast"}, "lr = 'fast' must be"),
        ({"n_epoch": 3}, r"unknown arguments \['n_epoch'\]; did you mean n_epochs\?"),
    ],
)
def test_wrong_arguments_of_fit_are_named(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        LoLLabelModel(verbose=False).fit([[0, 1], [1, 1]], progress_bar=False, **arguments)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (CountVectorizer(), r"feature_space is a CountVectorizer; give BagOfWords\(vectorizer\)"),
        ("bow", r"feature_space is a str; give BagOfWords\(\) or TableFeatures\(\)"),
        (BagOfWords, "feature_space is the class BagOfWords"),
    ],
)
def test_what_is_no_feature_space_is_refused_by_data_modules(space, message):
    with pytest.raises(ConfigurationError, match=message):
        LoLDataModule(["free"], lfs=[LF], feature_space=space)


def test_a_column_of_labels_that_no_row_has_is_said(caplog):
    rows = [{"text": "free", "label": 1}]
    with caplog.at_level(logging.INFO):
        LoLDataModule(rows, val=rows, lfs=[LF], label_column="label")
        LoLDataModule(rows, lfs=[LF], label_column="lable")
        assert "label_column" not in caplog.text
        LoLDataModule(rows, val=rows, lfs=[LF], label_column="lable")
    assert "No validation or test row has a 'lable' (label_column)" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_epochs": 1.5}, "n_epochs = 1.5 must be at least 0, a whole number"),
        ({"seed": "x"}, "seed = 'x' must be a whole number"),
        ({"prior_rows": "x"}, "prior_rows = 'x' must be"),
        ({"mu_eps": "x"}, "mu_eps = 'x' must be"),
    ],
)
def test_wrong_numbers_of_fit_are_named(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        LoLLabelModel(verbose=False).fit([[0, 1], [1, 1]], progress_bar=False, **arguments)


def test_labels_of_two_axes_are_not_read_as_more_rows():
    model = LoLLabelModel(verbose=False)
    with pytest.raises(DataError, match=r"Y_dev has the shape \(2, 2\); give one class id for each row"):
        model.fit([[0, 1], [1, 1]], np.eye(2, dtype=int), progress_bar=False)
    model.fit([[0, 1], [1, 1]], [[0], [1]], progress_bar=False)
    with pytest.raises(DataError, match=r"Y has the shape \(1, 2\); give one class id for each row"):
        model.score([[0, 1], [1, 1]], [[0, 1]])
    assert model.score([[0, 0], [1, 1]], [[0], [1]]) == {"accuracy": 1.0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_call_seconds": "x"}, "max_call_seconds = 'x'; it must be positive"),
        ({"trace_rows": "x"}, "trace_rows = 'x' must be at least 0"),
        ({"n_jobs": 0}, "n_jobs = 0; give a number of LFs"),
        ({"n_jobs": "x"}, "n_jobs = 'x'; give a number of LFs"),
        ({"token_pattern": "("}, r"token_pattern = '\(' is no pattern: missing \)"),
    ],
)
def test_wrong_settings_of_probing_are_named(arguments, message):
    asks = LabelingFunction("asks", lambda x: 1 if "free" in x.text else -1)
    with pytest.raises(ConfigurationError, match=message):
        inspect_lfs([asks], ["free", "song"], progress_bar=False, **arguments)


@pytest.mark.parametrize("path", [None, 3, io.BytesIO()], ids=["none", "number", "open file"])
def test_what_is_no_path_is_named(path):
    model = LoLLabelModel(verbose=False)
    model.fit([[0, 1], [1, 1]], progress_bar=False)
    with pytest.raises(DataError, match="is no path; name the file to write"):
        model.save(path)
