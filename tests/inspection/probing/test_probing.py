import threading
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from snorkel.labeling import LabelingFunction, labeling_function
from snorkel.preprocess import preprocessor

from lol_lightning.exceptions import ConfigurationError, DataError, LabelingFunctionError
from lol_lightning.inspection.probing._points import TextPoints
from lol_lightning.inspection.probing._probe_settings import ProbeSettings
from lol_lightning.inspection.probing._probing import probe_lfs
from lol_lightning.inspection.probing._text_probe import probe_lf
from lol_lightning.inspection.probing._units import TextUnits
from lol_lightning.lfs.rules.rules import keyword_lf, rules_lf

WORDS = "song video channel love great nice track beat watch like best really so the a of this that and it".split()


def corpus(num_rows=300, seed=0, extra=("subscribe", "http://x.y", "plz", "check it out")):
    rng = np.random.default_rng(seed)
    texts = []
    for _ in range(num_rows):
        words = rng.choice(WORDS, size=rng.integers(3, 15)).tolist()
        for phrase in extra:
            if rng.random() < 0.2:
                words.insert(rng.integers(len(words) + 1), phrase)
        texts.append(" ".join(words))
    return pd.DataFrame({"text": texts})


def lf_of(condition, label=1, name="lf"):
    return LabelingFunction(name, lambda x: label if condition(x.text.lower()) else -1)


def values(record):
    return {(f.term, f.label): f.value for f in record.features}


@pytest.mark.parametrize("strategy", ["auto", "halving", "every"])
def test_a_keyword_is_found_with_the_exact_conditional_derivative(strategy):
    data = corpus()
    lf = lf_of(lambda text: "subscribe" in text or "plz" in text)
    [record] = probe_lfs([lf], data, strategy=strategy)
    both = data.text.str.contains("subscribe") & data.text.str.contains("plz")
    support = data.text.str.contains("subscribe").sum()
    found = {f.term: f for f in record.features}
    assert set(found) == {"subscribe", "plz"}
    assert found["subscribe"].value == pytest.approx(1 - both.sum() / support)
    assert found["subscribe"].support == support
    assert (found["plz"].source, found["plz"].kind, found["plz"].column) == ("probed", "token", "text")


def test_a_phrase_needs_both_words():
    [record] = probe_lfs([lf_of(lambda text: "check" in text and "out" in text)], corpus())
    assert values(record) == {("check", 1): 1.0, ("out", 1): 1.0}


def test_a_word_that_brings_up_another_class_is_negative_for_it():
    lf = LabelingFunction("lf", lambda x: 1 if "http" in x.text else (0 if "song" in x.text else -1))
    found = values(probe_lfs([lf], corpus())[0])
    assert found["http", 1] == 1.0
    assert found["http", 0] < 0 < found["song", 0]


def test_a_blocking_word_is_negative():
    lf = LabelingFunction("lf", lambda x: 0 if "not" in x.text else (1 if "good" in x.text else -1))
    data = [SimpleNamespace(text=t) for t in ("good", "not good", "not good film", "good film", "bad")]
    found = values(probe_lfs([lf], data)[0])
    assert found["not", 1] == -1.0
    assert found["not", 0] == 1.0


def test_a_length_rule_has_no_word():
    [record] = probe_lfs([lf_of(lambda text: len(text.split()) < 6)], corpus())
    assert record.features == ()
    assert any(note.startswith("no single token decides") for note in record.notes)


def test_an_lf_that_is_not_monotone_is_probed_unit_by_unit():
    rng = np.random.default_rng(0)
    weights = dict(zip((f"w{i}" for i in range(500)), rng.normal(size=500), strict=True))
    data = pd.DataFrame({"text": [" ".join(rng.choice(list(weights), size=12)) for _ in range(400)]})
    lf = LabelingFunction("sum", lambda x: 1 if sum(weights.get(w, 0) for w in x.text.split()) > 1 else -1)
    points = TextPoints(data)
    every, auto, halving = (
        probe_lf(lf, points, TextUnits(), settings=ProbeSettings(strategy=strategy))
        for strategy in ("every", "auto", "halving")
    )
    assert (every.strategy, auto.strategy, halving.strategy) == ("every", "every", "halving")
    assert auto.record == every.record
    assert halving.record.features != every.record.features


def test_words_that_a_length_rule_would_hide_are_learned_first():
    lf, points = lf_of(lambda text: "subscribe" in text or len(text.split()) < 4), TextPoints(corpus())
    every = probe_lf(lf, points, TextUnits(), settings=ProbeSettings(strategy="every"))
    halving = probe_lf(lf, points, TextUnits(), settings=ProbeSettings(strategy="halving"))
    auto = probe_lf(lf, points, TextUnits())
    assert auto.record.features == every.record.features
    assert halving.record.features == ()
    assert auto.calls < every.calls


def test_halving_takes_fewer_calls_for_the_same_answer():
    lf, points = lf_of(lambda text: "http" in text), TextPoints(corpus(600))
    every = probe_lf(lf, points, TextUnits(), settings=ProbeSettings(strategy="every"))
    auto = probe_lf(lf, points, TextUnits())
    assert auto.record.features == every.record.features
    assert auto.strategy == "halving"
    assert auto.calls < 0.6 * every.calls


def test_equal_texts_are_called_once_and_the_count_is_true():
    seen = []
    lf = LabelingFunction("lf", lambda x: seen.append(x.text) or (1 if "win" in x.text else -1))
    data = pd.DataFrame({"text": ["win win", "win", "win ", "x win"] * 50})
    probe = probe_lf(lf, TextPoints(data), TextUnits())
    assert probe.calls == len(seen) < 100


def test_another_column_makes_a_call_another():
    lf = LabelingFunction("lf", lambda x: 1 if "win" in x.text and x.likes > 1 else -1)
    data = pd.DataFrame({"text": ["win now"] * 4, "likes": [1, 2, 3, 1]})
    [record] = probe_lfs([lf], data)
    assert [(f.term, f.value, f.support) for f in record.features] == [("win", 1.0, 2)]


def test_the_budget_holds_and_is_told():
    data = corpus(2000)
    calls = []
    lf = LabelingFunction("lf", lambda x: calls.append(1) or (1 if "http" in x.text else -1))
    [record] = probe_lfs([lf], data, max_calls=300)
    assert len(calls) <= 300
    assert values(record)["http", 1] == 1.0
    assert any("rows not looked at" in note for note in record.notes)


def test_precision_stops_early_within_its_bound():
    data = corpus(4000)
    lf = lf_of(lambda text: "subscribe" in text or "plz" in text)
    points = TextPoints(data)
    full = probe_lf(lf, points, TextUnits())
    early = probe_lf(lf, points, TextUnits(), settings=ProbeSettings(precision=0.1))
    assert early.calls < full.calls / 2
    for feature, exact in zip(
        sorted(early.record.features, key=lambda f: f.term),
        sorted(full.record.features, key=lambda f: f.term),
        strict=True,
    ):
        assert feature.term == exact.term
        assert abs(feature.value - exact.value) < 0.1


def test_known_votes_save_calls_and_wrong_ones_are_found_out():
    data = corpus()
    lf = lf_of(lambda text: "http" in text)
    votes = np.where(data.text.str.contains("http"), 1, -1)
    points = TextPoints(data)
    alone, helped = probe_lf(lf, points, TextUnits()), probe_lf(lf, points, TextUnits(), votes=votes)
    assert helped.calls < alone.calls
    assert helped.record.features == alone.record.features
    wrong = probe_lf(lf, points, TextUnits(), votes=1 - votes)
    assert wrong.record.features == alone.record.features
    assert wrong.record.notes[0].startswith("the votes passed are not this LF's")


def test_known_rules_give_the_same_record():
    data = corpus()
    rules = [{"label": 0, "substring": ["song"]}, {"label": 1, "regex": "check.*out", "flags": "i"}]
    fast = rules_lf("lf", rules)
    plain = LabelingFunction("lf", lambda x: fast(x))
    assert probe_lfs([fast], data)[0] == probe_lfs([plain], data)[0]


def test_rules_on_another_column_are_not_read_from_the_probed_one():
    data = pd.DataFrame({"title": ["win", "win", "lose"], "text": ["a win", "b", "win"]})
    [record] = probe_lfs([keyword_lf("lf", ["win"], 1, text_column="title")], data)
    assert record.features == ()


def test_inserted_candidates_show_hidden_triggers():
    # Each text on which the LF votes holds both words, so that removing one changes nothing.
    data = pd.DataFrame({"text": ["win free money", "free now win", "a song", "so nice", "one more"]})
    lf = lf_of(lambda text: "win" in text or "free" in text)
    assert probe_lfs([lf], data)[0].features == ()
    [record] = probe_lfs([lf], data, candidates=["win", "free", "song"])
    assert values(record) == {("win", 1): 1.0, ("free", 1): 1.0}
    assert record.features[0].support == 3
    assert "shown by insertion alone: free, win" in record.notes


def test_entries_of_a_vectorizer_are_units():
    from sklearn.feature_extraction.text import CountVectorizer

    data = corpus()
    vectorizer = CountVectorizer(ngram_range=(1, 2)).fit(data.text)
    [record] = probe_lfs([lf_of(lambda text: "check it out" in text)], data, vectorizer)
    found = values(record)
    assert found["check", 1] == found["it out", 1] == 1.0
    assert {f.kind for f in record.features} == {"entry"}


def test_the_same_seed_gives_the_same_record():
    data = corpus(1000)
    lf = lf_of(lambda text: "song" in text or "plz" in text)
    first, again, other = (probe_lfs([lf], data, max_calls=300, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_lfs_are_probed_in_parallel_closures_too():
    data = corpus(60)
    lfs = [lf_of(lambda text, word=word: word in text, name=word) for word in ("http", "plz")]
    import joblib

    with joblib.parallel_config(backend="threading"):
        assert probe_lfs(lfs, data, n_jobs=2) == probe_lfs(lfs, data)


@pytest.mark.slow
def test_processes_get_decorated_lfs_by_value():
    word = "http"

    @labeling_function()
    def link(x):
        return 1 if word in x.text else -1

    data = corpus(60)
    assert probe_lfs([link, keyword_lf("plz", ["plz"], 1)], data, n_jobs=2) == probe_lfs(
        [link, keyword_lf("plz", ["plz"], 1)], data
    )


def test_an_lf_that_raises_on_a_perturbed_text_is_noted_and_never_crashes():
    def f(x):
        return 1 if x.text.split("subscribe")[1] is not None else -1

    data = pd.DataFrame({"text": ["subscribe now", "please subscribe", "subscribe subscribe"]})
    [record] = probe_lfs([LabelingFunction("lf", f)], data)
    assert record.features == ()
    assert any(note.startswith("raised IndexError") for note in record.notes)
    with pytest.raises(LabelingFunctionError, match=r"'lf' raised IndexError.*on_error"):
        probe_lfs([LabelingFunction("lf", f)], data, on_error="raise")


def test_a_noisy_lf_is_recognised_and_its_noise_is_no_finding():
    rng = np.random.default_rng(0)

    def f(x):
        return 1 if "http" in x.text and rng.random() < 0.7 else -1

    [record] = probe_lfs([LabelingFunction("lf", f)], corpus(3000))
    found = {f.term: f for f in record.features}
    assert record.notes[0].startswith("not deterministic")
    assert found["http"].value == pytest.approx(0.7, abs=0.05)
    assert all(abs(f.value) < 4 * f.std_error for term, f in found.items() if term not in ("http", "x", "y"))


@pytest.mark.parametrize("convert", [np.int64, np.int8, float])
def test_numbers_of_any_type_are_votes(convert):
    lf = LabelingFunction("lf", lambda x: convert(1) if "http" in x.text else convert(-1))
    assert values(probe_lfs([lf], corpus())[0])["http", 1] == 1.0


def test_none_counts_as_abstaining_and_is_noted():
    lf = LabelingFunction("lf", lambda x: 1 if "http" in x.text else None)
    [record] = probe_lfs([lf], corpus())
    assert values(record) == {("http", 1): 1.0}
    assert any(note.startswith("returned None") for note in record.notes)


def test_what_is_no_class_is_unknown():
    lf = LabelingFunction("lf", lambda x: 1 if "http" in x.text else "ham")
    [record] = probe_lfs([lf], corpus())
    assert record.features == ()
    assert any("'ham', which is no class" in note for note in record.notes)


def test_side_effects_reach_copies_only():
    def f(x):
        vote = 1 if "http" in x.text else -1
        x.text = "spoiled"
        return vote

    frame = corpus(50)
    before = frame.copy()
    points = [SimpleNamespace(text=text) for text in frame.text]
    assert probe_lfs([LabelingFunction("lf", f)], frame) == probe_lfs([LabelingFunction("lf", f)], points)
    pd.testing.assert_frame_equal(frame, before)
    assert [point.text for point in points] == before.text.tolist()


def test_preprocessors_and_resources_work():
    @preprocessor()
    def lowered(x):
        x.text = x.text.lower()
        return x

    lf = LabelingFunction(
        "lf", lambda x, words: 1 if words & set(x.text.split()) else -1, {"words": {"win"}}, [lowered]
    )
    data = pd.DataFrame({"text": ["WIN now", "you Win", "no"]})
    assert values(probe_lfs([lf], data)[0]) == {("win", 1): 1.0}


def test_a_classifier_is_probed_as_an_lf():
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    data = corpus(400)
    gold = data.text.str.contains("subscribe|plz").astype(int)
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(data.text, gold)

    def f(x):
        probability = model.predict_proba([x.text])[0, 1]
        return 1 if probability > 0.7 else (0 if probability < 0.3 else -1)

    [record] = probe_lfs([LabelingFunction("model", f)], data.iloc[:150])
    strongest = sorted((f for f in record.features if f.label == 1), key=lambda f: -f.value)[:2]
    assert {f.term for f in strongest} == {"subscribe", "plz"}


def test_textblob_is_probed_as_an_lf():
    textblob = pytest.importorskip("textblob")
    lf = LabelingFunction("polarity", lambda x: 0 if textblob.TextBlob(x.text).sentiment.polarity > 0.9 else -1)
    data = pd.DataFrame({"text": ["this is the best song", "best video", "a perfect day", "perfect", "bad", "so so"]})
    assert {("best", 0), ("perfect", 0)} <= values(probe_lfs([lf], data)[0]).keys()


def test_spacy_is_probed_as_an_lf():
    spacy = pytest.importorskip("spacy")
    nlp = spacy.blank("en")
    lf = LabelingFunction("numbers", lambda x: 1 if any(token.like_num for token in nlp(x.text)) else -1)
    data = pd.DataFrame({"text": ["win two now", "only two left", "none"]})
    assert values(probe_lfs([lf], data)[0]) == {("two", 1): 1.0}


def test_an_lf_that_cannot_be_pickled_runs_in_one_process():
    lock = threading.Lock()

    def f(x):
        with lock:
            return 1 if "http" in x.text else -1

    assert values(probe_lfs([LabelingFunction("lf", f)], corpus(50))[0]) == {("http", 1): 1.0}


def test_empty_texts_and_empty_data_give_empty_records():
    lf = LabelingFunction("lf", lambda x: 1)
    assert probe_lfs([lf], pd.DataFrame({"text": ["", "..."]}))[0].features == ()
    assert probe_lfs([lf], [])[0].features == ()


@pytest.mark.parametrize(
    ("setting", "match"),
    [
        ({"strategy": "some"}, "'some'"),
        ({"max_calls": 0}, "max_calls = 0"),
        ({"precision": 1.0}, "precision"),
        ({"min_support": 0}, "min_support"),
        ({"on_error": "skip"}, "'skip'"),
    ],
)
def test_bad_settings_name_the_value(setting, match):
    with pytest.raises(ConfigurationError, match=match):
        probe_lfs([], corpus(2), **setting)


def test_a_missing_text_column_is_named():
    with pytest.raises(DataError, match="'comment'"):
        probe_lfs([], corpus(2), text_column="comment")
