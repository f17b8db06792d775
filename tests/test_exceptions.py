"""Arguments that are no numbers, or lie out of their range: each is named with its value and what it must be."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from lol_lightning.data import Classes, LoaderOptions, MatrixDataModule
from lol_lightning.exceptions import ConfigurationError, LabelingFunctionError, check_number
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
