"""The adapter is a Snorkel labeling function in every respect, and carries a record."""

import copy
import multiprocessing
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from snorkel.labeling import LabelingFunction, LFAnalysis, LFApplier, PandasLFApplier, labeling_function
from snorkel.labeling.apply.dask import DaskLFApplier, PandasParallelLFApplier
from snorkel.preprocess import preprocessor

from lol_lightning.exceptions import LabelingFunctionError
from lol_lightning.lfs.adapter import GradientLabelingFunction, gradient_labeling_function
from lol_lightning.lfs.record import InspectedFeature, LFRecord
from lol_lightning.lfs.rules.rules import keyword_lf, regex_lf

TEXTS = ["please call", "my song", "x", "PLZ"] * 3


@gradient_labeling_function(resources={"words": ["call", "song"]}, features={1: ["call", "song"]})
def has_word(x, words):
    return 1 if any(word in x.text for word in words) else -1


@preprocessor()
def shout(x):
    x.text = x.text.upper()
    return x


@gradient_labeling_function(name="loud", pre=[shout])
def is_loud(x):
    return 0 if x.text.isupper() else -1


class DoublingLF(LabelingFunction):
    """A subclass that calls its function in its own way."""

    def __call__(self, x):
        return 2 * self._f(x)


@pytest.mark.filterwarnings("ignore:Input has data type:FutureWarning")  # SciPy on Snorkel's analysis
def test_snorkels_appliers_and_analysis_take_it():
    points = [SimpleNamespace(text=text) for text in TEXTS[:4]]
    expected = [[1, 0], [1, 0], [-1, 0], [-1, 0]]
    lfs = [has_word, is_loud]
    L = LFApplier(lfs).apply(points, progress_bar=False)
    assert L.tolist() == expected
    assert PandasLFApplier(lfs).apply(pd.DataFrame({"text": TEXTS[:4]}), progress_bar=False).tolist() == expected
    summary = LFAnalysis(L, lfs).lf_summary()
    assert summary["Coverage"].to_dict() == {"has_word": 0.5, "loud": 1.0}
    assert summary["Conflicts"].to_dict() == {"has_word": 0.5, "loud": 0.5}


def test_the_decorator_declares_features_as_alternatives():
    assert has_word.record == LFRecord("has_word", (InspectedFeature("call", 1), InspectedFeature("song", 1)))
    assert is_loud.record == LFRecord("loud")
    assert is_loud.rules is None
    assert is_loud.column is None


def test_the_decorator_without_parentheses_is_an_error():
    with pytest.raises(LabelingFunctionError, match="parentheses"):
        gradient_labeling_function(lambda x: 1)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({-1: ["a"]}, "-1 is no class"),
        ({"spam": ["a"]}, "'spam' is no class"),
        ({1: [""]}, "non-empty"),
        (["a"], "'a'"),
    ],
)
def test_bad_features_are_named(features, message):
    with pytest.raises(LabelingFunctionError, match=message):
        GradientLabelingFunction("lf", lambda x: 1, features=features)


def test_a_function_that_cannot_be_called_is_an_error():
    with pytest.raises(LabelingFunctionError, match="needs a function"):
        GradientLabelingFunction("lf", 3)


def test_features_and_record_are_merged():
    record = LFRecord("other", (InspectedFeature("a", 0, source="probed"),), notes=("slow",))
    lf = GradientLabelingFunction("lf", lambda x: 1, features={np.int64(1): ["b"]}, record=record)
    assert lf.record.name == "lf"
    assert [(f.term, f.label, f.source) for f in lf.record.features] == [("a", 0, "probed"), ("b", 1, "declared")]
    assert lf.record.notes == ("slow",)


def test_wrapping_keeps_the_vote_resources_and_preprocessors():
    @labeling_function(resources={"vote": 3}, pre=[shout])
    def plain(x, vote):
        return vote if x.text.isupper() else -1

    lf = GradientLabelingFunction.wrap(plain, features={3: ["loud"]})
    assert lf(SimpleNamespace(text="soft")) == 3
    assert lf.name == "plain"
    assert [f.term for f in lf.record.features] == ["loud"]
    assert GradientLabelingFunction.wrap(lf) is lf
    assert len(GradientLabelingFunction.wrap(lf, features={3: ["noise"]}).record.features) == 2


def test_wrapping_a_subclass_keeps_its_way_of_calling():
    lf = GradientLabelingFunction.wrap(DoublingLF("double", lambda x: 2))
    assert lf(SimpleNamespace()) == 4


def test_wrapping_something_else_is_an_error():
    with pytest.raises(LabelingFunctionError, match="no Snorkel labeling function"):
        GradientLabelingFunction.wrap(len)


@pytest.mark.parametrize("lf", [keyword_lf("k", ["please"], 1), regex_lf("r", "pl.*e", 1, "i")], ids=lambda lf: lf.name)
def test_lfs_of_rules_pickle(lf):
    for other in (pickle.loads(pickle.dumps(lf)), copy.deepcopy(lf)):
        assert (other.name, other.record, other.rules, other.column) == (lf.name, lf.record, lf.rules, "text")
        assert other(SimpleNamespace(text="please")) == 1


def test_decorated_and_rule_lfs_reach_spawned_processes(tmp_path, monkeypatch):
    (tmp_path / "decorated_lfs.py").write_text(
        "from lol_lightning.lfs.adapter import gradient_labeling_function\n"
        "@gradient_labeling_function(features={1: ['a']})\n"
        "def holds_a(x):\n    return 1 if 'a' in x.text else -1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from decorated_lfs import holds_a

    assert pickle.loads(pickle.dumps(holds_a)) is holds_a
    assert copy.deepcopy(holds_a) is holds_a
    points = [SimpleNamespace(text="a"), SimpleNamespace(text="b")]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(holds_a, points) == [1, -1]
        assert pool.map(keyword_lf("b", ["b"], 0), points) == [-1, 0]
    del sys.modules["decorated_lfs"]


class WithMeta:
    """A Dask frame that says what its partitions give: pandas 3 infers it from rows with missing texts, and fails."""

    def __init__(self, frame):
        self.frame = frame

    def map_partitions(self, function):
        return self.frame.map_partitions(function, meta=(None, object))


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_snorkels_dask_appliers_take_it(scheduler):
    dask_frame = pytest.importorskip("dask.dataframe")
    frame = pd.DataFrame({"text": TEXTS})
    lfs = [keyword_lf("asks", ["please", "plz"], 1), regex_lf("music", "s.ng", 0)]
    expected = PandasLFApplier(lfs).apply(frame, progress_bar=False)
    dask = WithMeta(dask_frame.from_pandas(frame, npartitions=2))
    assert np.array_equal(DaskLFApplier(lfs).apply(dask, scheduler=scheduler), expected)
    tolerant = PandasParallelLFApplier(lfs).apply(frame, scheduler=scheduler, fault_tolerant=True)
    assert np.array_equal(tolerant, expected)
