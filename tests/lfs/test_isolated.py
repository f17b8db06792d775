"""Copies of LFs for inspection leave the user's LFs and caches alone."""

import sys

import pandas as pd
from snorkel.labeling import LabelingFunction, labeling_function
from snorkel.preprocess import preprocessor

from lol_lightning.inspection.probing import probe_lfs
from lol_lightning.inspection.tracing import trace_lf
from lol_lightning.lfs.isolated import isolated_copy

DATA = pd.DataFrame({"text": ["a win", "win now", "a song", "so nice"] * 5})


def make_memoized():
    @preprocessor(memoize=True)
    def count(x):
        x.wins = x.text.count("win")
        return x

    @labeling_function(pre=[count])
    def wins(x):
        return 1 if x.wins else -1

    return wins, count


def test_the_users_cache_does_not_grow():
    lf, mapper = make_memoized()
    copied = isolated_copy(lf)
    assert [copied(DATA.iloc[row]) for row in range(4)] == [1, 1, -1, -1]
    assert len(mapper._cache) == 0
    [record] = probe_lfs([lf], DATA)
    assert [f.term for f in record.features] == ["win"]
    trace_lf(lf, DATA, votes=(DATA.text.str.contains("win") * 2 - 1).to_numpy())
    assert len(mapper._cache) == 0


def test_a_memoized_preprocessor_works_in_other_processes():
    # A cached row loses what the preprocessor set on it when it is pickled.
    lf, _ = make_memoized()
    assert [lf(DATA.iloc[row]) for row in range(len(DATA))].count(1) == 10
    assert probe_lfs([lf], DATA, n_jobs=2) == probe_lfs([lf], DATA)


def test_a_decorated_lf_of_a_module_is_copied_too(tmp_path, monkeypatch):
    (tmp_path / "lfs_of_a_module.py").write_text(
        "from lol_lightning.lfs.adapter import gradient_labeling_function\n"
        "@gradient_labeling_function()\n"
        "def joins(x):\n    return 1 if 'win' in ' '.join(x.text.split()) else -1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from lfs_of_a_module import joins

    function = joins._f
    assert isolated_copy(joins) is not joins
    assert [f.term for f in trace_lf(joins, DATA).features] == ["win"]
    assert joins._f is function
    del sys.modules["lfs_of_a_module"]


def test_functions_can_be_adapted():
    lf = LabelingFunction("lf", lambda x: 1)
    assert isolated_copy(lf, lambda f: lambda x: 2 * f(x))(DATA.iloc[0]) == 2
    assert lf(DATA.iloc[0]) == 1
