"""Labeling functions of every make become one list."""

import functools
import logging
from types import SimpleNamespace

import pandas as pd
import pytest
from snorkel.labeling import LabelingFunction, labeling_function

from lol_lightning import LoLDataModule, inspect_lfs
from lol_lightning.exceptions import LabelingFunctionError
from lol_lightning.lfs import as_lfs, fast_apply, keyword_lf

DATA = pd.DataFrame({"text": ["nice song", "my channel", "subscribe to my channel"] * 4})


def has(x, word="channel"):
    return 1 if word in x.text else -1


class Has:
    def __init__(self, word):
        self.word = word

    def __call__(self, x):
        return 1 if self.word in x.text else -1

    def vote(self, x):
        return self(x)


def test_snorkels_lfs_stay_as_they_are():
    lfs = [keyword_lf("asks", ["please"], 1), LabelingFunction("own", has)]
    assert all(one is other for one, other in zip(as_lfs(lfs), lfs, strict=True))
    assert as_lfs(lf for lf in lfs) == lfs
    assert as_lfs(lfs[0]) == lfs[:1]
    assert as_lfs([]) == []


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (has, "has"),
        (functools.partial(has, word="song"), "has"),
        (functools.partial(functools.partial(has), word="song"), "has"),
        (Has("song"), "Has"),
        (Has("song").vote, "vote"),
    ],
)
def test_what_can_be_called_becomes_an_lf_of_its_own_name(function, name):
    for lfs in ([function], function):
        [lf] = as_lfs(lfs)
        assert isinstance(lf, LabelingFunction)
        assert lf.name == name
        point = SimpleNamespace(text="nice song")
        assert lf(point) == function(point)


def test_one_line_names_the_functions_that_were_wrapped(caplog):
    with caplog.at_level(logging.INFO):
        as_lfs([keyword_lf("asks", ["please"], 1), has, Has("song")])
    assert [record.message for record in caplog.records] == [
        "Plain functions are used as labeling functions of their own names: has, Has."
    ]
    with caplog.at_level(logging.INFO):
        as_lfs([keyword_lf("asks", ["please"], 1)])
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("lfs", "message"),
    [
        ([lambda x: 1], r"lfs\[0\] is a lambda, which has no name; write LabelingFunction\('a_name', f\)"),
        ([has, functools.partial(lambda x: 1)], r"lfs\[1\] is a lambda"),
        ([has, 3], r"lfs\[1\] = 3 is no labeling function"),
        (["asks"], r"lfs\[0\] = 'asks' is no labeling function"),
        ("asks", r"lfs\[0\] = 'asks' is no labeling function"),
        ([Has], r"lfs\[0\] is the class Has"),
        ([labeling_function()], r"lfs\[0\] is the decorator @labeling_function"),
        (3, "lfs must be a list of labeling functions, got int"),
        (DATA, "lfs must be a list of labeling functions, got DataFrame"),
        ([has, functools.partial(has, word="song")], "two labeling functions are named 'has'"),
    ],
)
def test_what_cannot_be_used_is_named(lfs, message):
    with pytest.raises(LabelingFunctionError, match=message):
        as_lfs(lfs)


@pytest.mark.parametrize(
    "use",
    [
        lambda lfs: inspect_lfs(lfs, DATA, progress_bar=False),
        lambda lfs: fast_apply(lfs, DATA),
        lambda lfs: LoLDataModule(DATA, lfs=lfs, progress_bar=False),
    ],
    ids=["inspect_lfs", "fast_apply", "data module"],
)
def test_the_same_error_everywhere(use):
    for lfs, message in (([lambda x: 1], "is a lambda"), ([has, has], "two labeling functions are named 'has'")):
        with pytest.raises(LabelingFunctionError, match=message):
            use(lfs)


def test_a_plain_function_is_applied_and_inspected():
    votes = fast_apply([has, Has("song")], DATA)
    assert votes[:3].tolist() == [[-1, 1], [1, -1], [1, -1]]
    records = inspect_lfs([has, Has("song")], DATA, progress_bar=False).records
    assert [(r.name, {f.term for f in r.features}) for r in records] == [("has", {"channel"}), ("Has", {"song"})]
    [one] = inspect_lfs(has, DATA, progress_bar=False).records
    assert one == records[0]


@pytest.mark.parametrize(
    ("container", "message"),
    [
        (lambda lf: {lf}, "lfs are a set, which has no order"),
        (lambda lf: frozenset([lf]), "lfs are a frozenset, which has no order"),
        (lambda lf: {"a": lf}, r"lfs are a dict; give a list of labeling functions: lfs\.values\(\)"),
    ],
)
def test_containers_without_an_order_of_columns_are_refused(container, message):
    with pytest.raises(LabelingFunctionError, match=message):
        as_lfs(container(LabelingFunction("a", lambda x: 1)))


@pytest.mark.parametrize("name", ["", " ", 3, None])
def test_names_that_are_no_texts_are_refused(name):
    with pytest.raises(LabelingFunctionError, match=f"a labeling function is named {name!r}; names are texts"):
        as_lfs([LabelingFunction(name, lambda x: 1)])
