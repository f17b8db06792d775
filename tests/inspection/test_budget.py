"""One budget of calls and one of seconds bound tracing and probing together."""

import time
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from snorkel.labeling import LabelingFunction

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.inspection import inspect_lfs
from lol_lightning.inspection._budget import Budget
from lol_lightning.lfs import fast_apply, keyword_lf

TEXTS = [
    f"please SUBSCRIBE number {i} to my channel" if i % 2 else f"what a song {i} that is really" for i in range(300)
]
DATA = pd.DataFrame({"text": TEXTS})
WORDS = ["subscribe", "song", "channel", "really", "number"]


class Counted:
    """LFs whose calls are counted."""

    def __init__(self, wait=0.0):
        self.calls = Counter()
        self.wait = 0.0
        self.lfs = [LabelingFunction(word, self.vote_for(word)) for word in WORDS]
        self.votes = fast_apply(self.lfs, DATA)
        self.calls.clear()
        self.wait = wait

    def vote_for(self, word):
        def vote(x):
            self.calls[word] += 1
            time.sleep(self.wait)
            return 1 if word in x.text.lower() else -1

        return vote


def ended(record):
    return [note for note in record.notes if note.startswith("budget ended")]


@pytest.mark.parametrize("max_calls", [0, 3, 50, 200, 1000])
@pytest.mark.parametrize("stages", [{}, {"probed": False}, {"traced": False}])
def test_calls_are_bounded_over_all_lfs_and_stages(max_calls, stages):
    counted = Counted()
    inspection = inspect_lfs(counted.lfs, DATA, votes=counted.votes, max_calls=max_calls, progress_bar=False, **stages)
    assert counted.calls.total() <= max_calls
    assert all(ended(record) for record in inspection.records)
    if max_calls >= 200:
        assert counted.calls.total() >= 0.7 * max_calls
        assert min(counted.calls.values()) >= 0.5 * max(counted.calls.values())
        for record, word in zip(inspection.records, WORDS, strict=True):
            assert word in {f.term for f in record.features}


def test_without_votes_each_lf_is_called_once_on_every_row_besides():
    counted = Counted()
    inspect_lfs(counted.lfs, DATA, max_calls=50, progress_bar=False)
    assert 0 <= counted.calls.total() - len(DATA) * len(WORDS) <= 50


def test_an_ample_budget_changes_nothing_and_leaves_no_note():
    counted = Counted()
    free = inspect_lfs(counted.lfs, DATA, votes=counted.votes, progress_bar=False)
    calls = counted.calls.total()
    ample = inspect_lfs(counted.lfs, DATA, votes=counted.votes, max_calls=20 * calls, progress_bar=False)
    assert ample.records == free.records
    assert not any(map(ended, ample.records))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_the_same_budget_gives_the_same_records(n_jobs):
    counted = Counted()
    settings = {"votes": counted.votes, "max_calls": 400, "progress_bar": False}
    first = inspect_lfs(counted.lfs, DATA, **settings)
    assert inspect_lfs(counted.lfs, DATA, n_jobs=n_jobs, **settings).records == first.records


@pytest.mark.parametrize("stages", [{}, {"probed": False}, {"traced": False}])
def test_seconds_are_bounded_and_every_lf_gets_its_part(stages):
    counted = Counted(wait=0.005)
    start = time.monotonic()
    inspection = inspect_lfs(counted.lfs, DATA, votes=counted.votes, max_seconds=1.0, progress_bar=False, **stages)
    assert time.monotonic() - start < 3
    assert all(ended(record) for record in inspection.records)
    assert min(counted.calls[word] for word in WORDS) >= 5
    for record, word in zip(inspection.records, WORDS, strict=True):
        if stages != {"traced": False}:
            assert word in {f.term for f in record.features}


def test_columns_of_a_table_share_the_budget():
    calls = []
    rng = np.random.default_rng(0)
    data = DATA.assign(age=rng.normal(40, 10, len(DATA)), city=rng.choice(["Oslo", "Rome", "Bern"], len(DATA)))
    old = LabelingFunction("old", lambda x: calls.append(1) or (1 if x.age > 40 and x.city != "Rome" else -1))
    votes = fast_apply([old], data)
    calls.clear()
    inspection = inspect_lfs([old], data, votes=votes, max_calls=600, progress_bar=False)
    assert 300 <= len(calls) <= 600
    assert {("age", 1)} <= {(f.term, f.label) for f in inspection.records[0].features if f.source == "probed"}
    assert any("probed the columns on" in note for note in ended(inspection.records[0]))
    calls.clear()
    [record] = inspect_lfs([old], data, votes=votes, max_calls=10, progress_bar=False).records
    assert len(calls) <= 10
    assert len(ended(record)) == 2


def test_rules_that_vote_in_batches_are_counted_too():
    lfs = [keyword_lf(word, [word], 1) for word in WORDS]
    [*records] = inspect_lfs(lfs, DATA, traced=False, max_calls=100, progress_bar=False).records
    assert all("probed 0 votes" not in note and " with " in note for record in records for note in ended(record))
    assert all(int(note.split(" with ")[1].split()[0]) <= 20 for record in records for note in ended(record))


def test_tracing_a_few_rows_meets_every_vote():
    texts = ["nothing here"] * 400 + ["a rare link"] + ["the other word"]
    lf = LabelingFunction(
        "lf", lambda x: next((v for w, v in (("rare", 1), ("other", 0)) if w in set(x.text.split())), -1)
    )
    data = pd.DataFrame({"text": texts})
    [record] = inspect_lfs([lf], data, probed=False, trace_rows=6, progress_bar=False).records
    assert {(f.term, f.label) for f in record.features} >= {("rare", 1), ("other", 0)}


@pytest.mark.parametrize("limits", [{"max_calls": -1}, {"max_seconds": -0.5}, {"max_seconds": float("nan")}])
def test_a_negative_budget_is_refused_before_any_call(limits):
    counted = Counted()
    with pytest.raises(ConfigurationError, match=r"must be at least 0|not below 0"):
        inspect_lfs(counted.lfs, DATA, progress_bar=False, **limits)
    assert not counted.calls


def test_parts_of_a_budget():
    budget = Budget(max_calls=10, max_seconds=100)
    assert budget.part(3).max_calls == 3
    assert budget.part(4, at_once=2).max_seconds == pytest.approx(50, abs=1)
    budget.spend(9)
    assert (budget.allows(), budget.allows(2), budget.calls_left) == (True, False, 1)
    budget.spend(5)
    assert (budget.allows(), budget.calls_left) == (False, 0)
    assert not Budget(max_seconds=0).allows()
    assert Budget().allows(10**9)
    assert Budget().part(3).max_calls is None
