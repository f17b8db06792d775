import logging
import random
import threading
from collections import Counter

import pandas as pd
import pytest
from snorkel.labeling import LabelingFunction
from snorkel.preprocess import preprocessor

from lol_lightning.data import InspectOptions, LoLDataModule
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.features.table import TableFeatures
from lol_lightning.lfs.adapter import GradientLabelingFunction
from lol_lightning.lfs.record import InspectedFeature, LFRecord

TEXTS = ["win a prize", "nice song", "what a day", "a lovely song", "prize song for you", "win win"] * 4


def plain(**words):
    """Snorkel LFs that each look for the word of their name."""

    def make(word, label):
        return LabelingFunction(word, lambda x: label if word in x.text else -1)

    return [make(word, label) for word, label in words.items()]


def tokens(x):
    """A black box for tracing: the words leave the text as numbers."""
    return 1 if hash("prize") in {hash(word) for word in bytes(x.text, "utf-8").decode().split()} else -1


LFS = [*plain(song=0, win=1), GradientLabelingFunction("declared", tokens, features={1: ["prize"]})]


def ready(lfs=LFS, **options):
    data = LoLDataModule(pd.DataFrame({"text": TEXTS}), lfs=lfs, progress_bar=False, **options)
    data.setup("fit")
    return data


def findings(data):
    return {record.name: [(f.term, f.source) for f in record.features] for record in data.records}


@pytest.fixture
def log(caplog):
    lightning = logging.getLogger("pytorch_lightning")
    lightning.addHandler(caplog.handler)
    yield caplog
    lightning.removeHandler(caplog.handler)


def test_declared_leaves_plain_lfs_without_gradients(log):
    data = ready(inspect="declared")
    assert findings(data) == {"song": [], "win": [], "declared": [("prize", "declared")]}
    assert "1 of 3 LFs have inspected features (1 declared; 1 term). None for 'song', 'win': declare them" in log.text


@pytest.mark.parametrize("options", [{}, {"inspect": "traced"}, {"inspect": InspectOptions()}], ids=repr)
def test_words_of_plain_lfs_are_traced_by_default_and_declared_ones_left(log, options):
    data = ready(**options)
    assert findings(data) == {
        "song": [("song", "traced")],
        "win": [("win", "traced")],
        "declared": [("prize", "declared")],
    }
    names = data.feature_space.feature_names
    targets = data.gradient_targets
    assert [names[j] for j in targets.feature.tolist()] == ["song", "win", "prize"]
    assert targets.cls.tolist() == [0, 1, 1]
    [line] = {record.message for record in log.records if "inspected" in record.message}
    assert line == "3 of 3 LFs have inspected features (1 declared, 2 traced; 3 terms)."


def test_where_the_lfs_votes_are_given_they_run_for_their_words_alone():
    calls = []

    def song(x):
        calls.append(x.text)
        return 0 if "song" in x.text else -1

    votes = [[0 if "song" in text else -1] for text in TEXTS]
    lfs = [LabelingFunction("song", song)]
    assert findings(ready(lfs, votes=votes))["song"] == [("song", "traced")]
    assert calls
    calls.clear()
    assert findings(ready(lfs, votes=votes, inspect="declared"))["song"] == []
    assert calls == []


def test_a_record_of_the_user_is_not_traced_again_be_it_empty():
    data = ready(records=[LFRecord("song", notes=("looked at by hand",))])
    assert findings(data) == {"song": [], "win": [("win", "traced")], "declared": []}
    data = LoLDataModule(pd.DataFrame({"text": TEXTS}), lfs=LFS, progress_bar=False)
    data.use_records([LFRecord("win")])
    data.setup("fit")
    assert findings(data) == {"song": [("song", "traced")], "win": [], "declared": []}


def test_lfs_that_tracing_finds_nothing_of_are_named_with_the_cure(log):
    ready([*plain(song=0), LabelingFunction("box", tokens)])
    assert "1 of 2 LFs have inspected features (1 traced; 1 term). None for 'box': declare them with fea" in log.text
    assert "or probe the LF" in log.text


def by_length(x):
    return 1 if len(x.text) > 10 else -1


def by_another_column(x):
    return 1 if x.stars > 2 else 0


class Reviewer:
    """An LF with a state of its own that cannot be copied."""

    def __init__(self):
        self.lock = threading.Lock()

    def __call__(self, x):
        with self.lock:
            return 1 if "win" in x.text else -1


def strict(x):
    if type(x.text) is not str:
        raise TypeError(f"a text, not a {type(x.text).__name__}")
    return 1 if "win" in x.text else -1


def random_vote(x):
    return random.choice([0, 1])


@preprocessor(memoize=True)
def counted(x):
    x.words = Counter(bytes(x.text, "utf-8").decode().split())
    return x


LOOKS_AT_NO_WORD = {
    "length": LabelingFunction("length", by_length),
    "column": LabelingFunction("column", by_another_column),
    "object": LabelingFunction("object", Reviewer()),
    "strict": LabelingFunction("strict", strict),
    "random": LabelingFunction("random", random_vote),
    "preprocessed": LabelingFunction("preprocessed", lambda x: 1 if x.words["win"] > 1 else -1, pre=[counted]),
    "constant": LabelingFunction("constant", lambda x: 1),
}


@pytest.mark.parametrize("name", LOOKS_AT_NO_WORD)
def test_an_lf_that_cannot_be_traced_trains_with_its_votes_alone(name):
    table = pd.DataFrame({"text": TEXTS, "stars": [1, 3] * 12})
    data = LoLDataModule(table, lfs=[*plain(song=0), LOOKS_AT_NO_WORD[name]], progress_bar=False)
    data.setup("fit")
    assert findings(data)["song"] == [("song", "traced")]
    words = {data.feature_space.feature_names[j] for j in data.gradient_targets.feature.tolist()}
    assert words <= {"song", "win"}
    assert data.train_votes.shape[1] == 2


def test_an_lf_that_tracing_fails_on_ends_in_a_note(log):
    """Whatever an LF is made of: here its code cannot be searched."""

    class Slippery:
        def __call__(self, x):
            return 1 if "win" in x.text else -1

        def __getattr__(self, name):
            if name in ("__wrapped__", "func", "__func__"):
                raise RuntimeError("not to be looked into")
            raise AttributeError(name)

    data = ready([*plain(song=0), LabelingFunction("slippery", Slippery())])
    assert findings(data) == {"song": [("song", "traced")], "slippery": []}
    assert data.records[1].notes == ("defeated tracing: RuntimeError: not to be looked into",)
    assert "None for 'slippery'" in log.text


def test_all_probes_too():
    data = ready([*plain(song=0), LabelingFunction("box", tokens)], inspect="all")
    found = findings(data)
    assert ("prize", "probed") in found["box"]
    assert {source for _, source in found["song"]} == {"traced", "probed"}


def test_records_of_the_user_are_kept_and_the_others_inspected():
    data = ready(records=[LFRecord("song", (InspectedFeature("lovely", 0),))], inspect="traced")
    assert findings(data)["song"] == [("lovely", "declared")]
    assert findings(data)["win"] == [("win", "traced")]


def test_columns_of_tables_are_traced():
    table = pd.DataFrame({"age": [3.0, 30.0, 50.0, 9.0] * 5, "height": [90.0, 180.0, 170.0, 130.0] * 5})
    adult = LabelingFunction("adult", lambda x: 1 if x.age >= 18 else 0)
    data = LoLDataModule(table, lfs=adult, feature_space=TableFeatures(), inspect="all", progress_bar=False)
    data.setup("fit")
    assert ("age", "probed") in findings(data)["adult"]
    assert set(data.gradient_targets.feature.tolist()) == {data.feature_space.feature_names.index("age")}


@pytest.mark.parametrize("mode", ["traced", "all"])
@pytest.mark.parametrize("limit", [{"max_calls": 0}, {"max_seconds": 0.0}])
def test_an_inspection_without_budget_makes_no_calls(mode, limit, log):
    calls = []

    def song(x):
        calls.append(x.text)
        return 0 if "song" in x.text else -1

    data = ready([song], inspect=InspectOptions(mode, **limit))
    assert calls == TEXTS
    assert findings(data) == {"song": []}
    assert any("budget ended" in note for note in data.records[0].notes)
    assert "The budget of calls or seconds ended for 'song': raise max_calls or max_seconds." in log.text


def test_max_calls_bounds_all_lfs_together():
    calls = []

    def make(word):
        def lf(x):
            calls.append(word)
            return 0 if word in x.text else -1

        return LabelingFunction(word, lf)

    ready([make("song"), make("win")], inspect=InspectOptions("all", max_calls=60))
    assert 0 < len(calls) - 2 * len(TEXTS) <= 60


def test_sources_top_k_and_threshold_choose_among_findings():
    lfs = [*plain(win=1), GradientLabelingFunction("declared", tokens, features={1: ["prize", "song", "nice"]})]
    assert ready(lfs, inspect=InspectOptions("traced", sources=["traced"])).gradient_targets.lf.tolist() == [0]
    assert ready(lfs, inspect=InspectOptions("declared", top_k=1)).gradient_targets.lf.tolist() == [1]
    # The code asks for "prize" alone: what is declared beside it has a vote rate near 0.
    values = ready(lfs, inspect=InspectOptions("declared", vote_rates=False)).gradient_targets.value
    threshold = float(values.min()) + 0.01
    options = InspectOptions("declared", threshold=threshold, vote_rates=False)
    kept = ready(lfs, inspect=options).gradient_targets.value
    assert 0 < len(kept) < len(values) == 3


class TestVoteRates:
    texts = ("check this", "please check", "a check", "nice song", "what a day", "my check") * 4
    lfs = (LabelingFunction("start", lambda x: 1 if x.text.startswith("check") else -1), *plain(song=0))

    def ready(self, **options):
        data = LoLDataModule(list(self.texts), lfs=self.lfs, progress_bar=False, **options)
        data.setup("fit")
        return data

    def test_demands_are_scaled_by_what_all_training_rows_tell(self, log):
        data = self.ready()
        # Of the 16 rows with the word, 12 have no vote at all.
        assert data.audit.rows.tolist() == [16, 4]
        rate = data.audit.vote_rate[0]
        assert 0.2 < rate < 0.35
        assert data.gradient_targets.value.tolist() == pytest.approx([rate, 1.0])
        assert "1 of 2 inspected terms bring their LF's vote on some of the training rows" in log.text
        assert f"'check' of 'start' (vote rate {rate:.2f})" in log.text
        again = data.targets_from(data.records)
        assert again.value.tolist() == data.gradient_targets.value.tolist()

    def test_without_rates_a_demand_is_what_the_record_says(self, log):
        data = self.ready(inspect=InspectOptions(vote_rates=False))
        assert data.gradient_targets.value.tolist() == [1.0, 1.0]
        assert "vote_rate" not in data.audit
        assert data.targets_from(data.records).value.tolist() == [1.0, 1.0]
        assert "vote rate" not in log.text

    def test_nothing_is_said_where_every_word_brings_its_vote(self, log):
        ready()
        assert "vote rate" not in log.text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InspectOptions.of("everything"), "inspect = 'everything'; use one of 'declared', 'traced', 'all'"),
        (lambda: InspectOptions(max_calls=-1), "max_calls = -1 must be at least 0"),
        (lambda: InspectOptions(top_k=0), "top_k = 0 must be at least 1"),
        (lambda: InspectOptions(threshold=float("nan")), "threshold = nan"),
        (lambda: InspectOptions(sources=["guessed"]), "sources = 'guessed'"),
    ],
)
def test_options_out_of_range(make, message):
    with pytest.raises(ConfigurationError, match=message):
        make()
