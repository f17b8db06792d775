import logging

import pandas as pd
import pytest
from snorkel.labeling import LabelingFunction

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


def test_declared_is_the_default_and_leaves_plain_lfs_without_gradients(log):
    data = ready()
    assert findings(data) == {"song": [], "win": [], "declared": [("prize", "declared")]}
    assert "1 of 3 LFs have inspected features (1 declared). None for 'song', 'win': declare them" in log.text
    assert "Inspecting" not in log.text


def test_traced_finds_words_of_plain_lfs_and_leaves_declared_ones(log):
    data = ready(inspect="traced")
    assert findings(data) == {
        "song": [("song", "traced")],
        "win": [("win", "traced")],
        "declared": [("prize", "declared")],
    }
    names = data.feature_space.feature_names
    targets = data.gradient_targets
    assert [names[j] for j in targets.feature.tolist()] == ["song", "win", "prize"]
    assert targets.cls.tolist() == [0, 1, 1]
    assert "Inspecting 2 of 3 LFs on 24 training rows (traced)." in log.text
    assert "3 of 3 LFs have inspected features (1 declared, 2 traced)." in log.text


def test_lfs_that_tracing_finds_nothing_of_are_named_with_the_cure(log):
    ready([*plain(song=0), LabelingFunction("box", tokens)], inspect="traced")
    assert "1 of 2 LFs have inspected features (1 traced). None for 'box': declare them with features=" in log.text
    assert "or probe the LF" in log.text


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


@pytest.mark.parametrize("limit", [{"max_calls": 0}, {"max_seconds": 0.0}])
def test_an_inspection_without_budget_makes_no_calls(limit):
    calls = []

    def song(x):
        calls.append(x.text)
        return 0 if "song" in x.text else -1

    data = ready([song], inspect=InspectOptions("all", **limit))
    assert calls == TEXTS
    assert findings(data) == {"song": []}
    assert any("budget ended" in note for note in data.records[0].notes)


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
    values = ready(lfs, inspect=InspectOptions("declared")).gradient_targets.value
    threshold = float(values.min()) + 0.01
    kept = ready(lfs, inspect=InspectOptions("declared", threshold=threshold)).gradient_targets.value
    assert 0 < len(kept) < len(values) == 3


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
