"""How often words bring votes, on small corpora that can be counted by hand."""

import random

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from lol_lightning.exceptions import TargetsError
from lol_lightning.features.bag_of_words import BagOfWords
from lol_lightning.features.mapped import MappedFeature
from lol_lightning.features.mapping import records_to_targets
from lol_lightning.features.table import TableFeatures
from lol_lightning.features.vocabulary import FeatureMatch
from lol_lightning.features.vote_rates import vote_rates
from lol_lightning.lfs.record import InspectedFeature, LFRecord
from lol_lightning.lfs.rules import keyword_lf, regex_lf, rules_lf


def drawn(misses, chances, prior):
    """By the docstring: two rows of the prior."""
    return 1 - (misses + 2 * (1 - prior)) / (chances + 2)


def mapped(lf, texts, record=None):
    """Targets by word, and the audit by term, of one LF that votes on texts."""
    record = lf.record if record is None else record
    space = BagOfWords()
    features = space.fit_transform(texts, record.features)
    votes = np.array([[lf(pd.Series({"text": text}))] for text in texts])
    targets, audit = records_to_targets([record], space, 3, votes=votes, features=features)
    names = [space.feature_names[j] for j in targets.feature.tolist()]
    by_word = {(cls, name): v for cls, name, v in zip(targets.cls.tolist(), names, targets.value.tolist(), strict=True)}
    return by_word, audit.set_index("inspected")


def declared(*terms, label=1, kind="substring", **options):
    return LFRecord("lf", tuple(InspectedFeature(term, label, kind, **options) for term in terms))


def test_words_that_always_bring_the_vote_have_the_values_that_they_had_without_votes():
    texts = ["win a prize", "a song", "prizes", "you win", "nothing", "winner of a song"] * 3
    lf = keyword_lf("lf", ["win", "prize"], label=1)
    space = BagOfWords().fit(texts, lf.record.features)
    votes = np.array([[1 if "win" in text or "prize" in text else -1] for text in texts])
    without, old_audit = records_to_targets([lf.record], space, 2)
    targets, audit = records_to_targets([lf.record], space, 2, votes=votes, features=space.transform(texts))
    assert targets.value.tolist() == without.value.tolist()
    assert targets.feature.tolist() == without.feature.tolist()
    assert audit[old_audit.columns].equals(old_audit)
    assert audit.rows.tolist() == [9, 6]
    assert audit.vote_rate.tolist() == [1.0, 1.0]


def test_a_word_at_the_start_is_asked_for_as_often_as_it_stands_there():
    texts = ["check this"] * 6 + ["please check"] * 4 + ["a song"] * 10
    values, audit = mapped(lambda x: 1 if x.text.startswith("check") else -1, texts, declared("check", kind="prefix"))
    rate = drawn(4, 10, drawn(4, 10, drawn(4, 10, 1)))
    assert values == {(1, "check"): pytest.approx(rate)}
    assert 0.5 < rate < 0.65  # of 10 rows with the word the LF votes on 6
    assert audit.rows["check"] == 10
    assert audit.vote_rate["check"] == pytest.approx(rate)
    assert audit.remark["check"] == "mapped; scaled: the LF votes 1 on 6 of 10 rows with it"


def test_votes_without_the_word_are_no_merit_of_it():
    """The LF votes on 5 of 10 rows with "song" and on 5 of 10 without: the word does nothing."""
    texts = ["a song"] * 10 + ["a word"] * 10
    space = BagOfWords()
    features = space.fit_transform(texts)
    votes = np.array([1, -1] * 10)[:, None]
    targets, _ = records_to_targets([declared("song")], space, 2, votes=votes, features=features)
    rate = 5 / 11  # without the word, one more row that has no vote
    misses, chances = 5, 10 * (1 - rate)
    value = drawn(misses, chances, drawn(misses, chances, drawn(misses, chances, 1)))
    assert targets.value.tolist() == pytest.approx([value])
    assert value < 0.15


def test_where_it_never_happens_there_is_no_demand():
    texts = ["go out now"] * 8 + ["a song"] * 4
    values, audit = mapped(lambda x: 1 if x.text.endswith("out") else -1, texts, declared("out", kind="suffix"))
    assert values == {}
    assert audit.num_targets["out"] == 0
    assert audit.vote_rate["out"] == 0
    assert audit.remark["out"] == "mapped; dropped: the LF votes 1 on 0 of 8 rows with it"


def test_over_broad_entries_of_a_substring_are_told_apart():
    texts = ["check it out"] * 20 + ["about a song"] * 20 + ["without you"] * 20 + ["nothing"] * 20
    values, audit = mapped(lambda x: 1 if x.text.endswith("out") else -1, texts, declared("out"))
    assert list(values) == [(1, "out")]
    assert values[1, "out"] > 0.9
    assert audit.num_entries["out"] == 3
    assert audit.remark["out"] == "mapped; scaled: the LF votes 1 on 20 of 60 rows with it"


def test_conjunctions_are_measured_where_the_rest_of_their_rule_is_there():
    texts = ["check it out"] * 5 + ["check this"] * 40 + ["go out"] * 40 + ["a song"] * 40
    values, audit = mapped(regex_lf("lf", "check.*out", label=1), texts)
    assert values == {(1, "check"): 1.0, (1, "out"): 1.0}
    assert audit.rows.tolist() == [5, 5]
    turned = ["out you check"] * 5
    values, _ = mapped(regex_lf("lf", "check.*out", label=1), texts + turned)
    assert values[1, "check"] == pytest.approx(values[1, "out"])
    assert 0.4 < values[1, "check"] < 0.65


def test_words_of_a_split_phrase_are_measured_together():
    texts = ["prime minister"] * 6 + ["prime time"] * 9 + ["a minister"] * 9
    values, audit = mapped(keyword_lf("lf", ["prime minister"], label=1), texts)
    assert values == {(1, "prime"): 1.0, (1, "minister"): 1.0}
    assert audit.rows.tolist() == [6]


def test_a_word_that_takes_the_vote_away():
    texts = ["good grief"] * 6 + ["so good"] * 6 + ["a song"] * 6
    lf = regex_lf("lf", "good(?! grief)", label=1)
    values, audit = mapped(lf, texts)
    # All of the 6 votes on "good" without "grief" go; one row more without a vote stands for what was not seen.
    assert values == {(1, "good"): 1.0, (1, "grief"): -1.0}
    assert audit.vote_rate.tolist() == [1.0, 1.0]
    apart = ["grief is good"] * 6  # here it takes nothing away
    values, _ = mapped(lf, texts + apart)
    assert -0.65 < values[1, "grief"] < -0.35


def test_a_rule_of_another_class_that_comes_first_is_not_held_against_a_word():
    texts = ["bad and good"] * 5 + ["bad"] * 5 + ["good"] * 5 + ["a song"] * 5
    lf = rules_lf("lf", [{"label": 0, "token": ["bad"]}, {"label": 1, "token": ["good"]}])
    assert mapped(lf, texts)[0] == {(0, "bad"): 1.0, (1, "good"): 1.0}


def test_rows_that_a_word_gives_to_another_class_are():
    texts = ["not good"] * 16 + ["good"] * 4 + ["a song"] * 20
    lf = rules_lf("lf", [{"label": 0, "regex": "not good", "flags": ""}, {"label": 1, "token": ["good"]}])
    record = declared("good", kind="token")  # nobody says that "not" matters
    values, _ = mapped(lf, texts, record)
    assert values[1, "good"] == pytest.approx(drawn(16, 20, drawn(16, 20, drawn(16, 20, 1))))
    assert values[1, "good"] < 0.25


def test_the_class_that_a_word_mostly_leads_to_keeps_it_by_what_was_measured():
    """A phrase that was split asks for "good" alone; the votes show that it does not bring them."""
    texts = ["good"] * 30 + ["not good"] * 3 + ["a song"] * 30
    lf = keyword_lf("lf", ["good"], label=1)
    phrase = InspectedFeature("not good", 0, clause=1)
    record = LFRecord("lf", (*lf.record.features, phrase))
    space = BagOfWords()
    features = space.fit_transform(texts)
    votes = np.array([1] * 30 + [0] * 3 + [-1] * 30)[:, None]
    targets, _ = records_to_targets([record], space, 2, votes=votes, features=features)
    assert len(records_to_targets([record], space, 2)[0]) == 0
    assert targets.cls.tolist() == [1]
    assert targets.value.item() > 0.7


def test_what_was_not_observed_keeps_its_declared_value():
    values, audit = mapped(keyword_lf("lf", ["prize", "unseen"], label=1), ["a prize"] * 5 + ["a song"] * 5)
    assert values[1, "unseen"] == pytest.approx(1 - 5 / 10)  # the alternative "prize", no rate
    assert audit.rows["unseen"] == 0
    assert np.isnan(audit.vote_rate["unseen"])
    assert audit.remark["unseen"] == "mapped"


def test_an_entry_that_no_row_holds_has_the_rate_of_its_feature():
    feature = MappedFeature(0, InspectedFeature("out", 1), FeatureMatch(((0, 1),), "mapped"))
    rows = np.array([[1, 0]] * 10 + [[0, 0]] * 10)
    [rate] = vote_rates([feature], rows, np.array([1, -1] * 5 + [-1] * 10)[:, None]).values()
    assert rate.rates[0, 1] == pytest.approx(drawn(5, 10, drawn(5, 10, 1)))
    assert (rate.rows, rate.votes) == (10, 5)


@pytest.mark.parametrize("num_rows", range(1, 8))
def test_few_rows_are_drawn_towards_the_declared_value(num_rows):
    feature = MappedFeature(0, InspectedFeature("word", 1), FeatureMatch(((0,),), "mapped"))
    rows = np.array([[1]] * num_rows + [[0]] * 50)
    [rate] = vote_rates([feature], rows, np.full((num_rows + 50, 1), -1)).values()
    expected = drawn(num_rows, num_rows, drawn(num_rows, num_rows, drawn(num_rows, num_rows, 1)))
    assert expected == pytest.approx((2 / (num_rows + 2)) ** 3)
    assert rate.rates[0, 0] == pytest.approx(expected if expected >= 0.05 else 0)


def test_probed_values_are_used_as_they_are():
    texts = ["my song"] * 10 + ["a song"] * 10
    record = declared("my", kind="token", source="probed", value=0.3)
    values, audit = mapped(lambda x: 1 if "my" in x.text else -1, texts, record)
    assert values == {(1, "my"): pytest.approx(0.3)}
    assert np.isnan(audit.vote_rate["my"])


def test_numbers_of_a_table_are_not_measured_and_categories_are():
    table = pd.DataFrame({"age": np.arange(20.0), "city": ["Oslo", "Rome"] * 10})
    space = TableFeatures()
    features = space.fit_transform(table)
    terms = [
        InspectedFeature("age", 1, "column", source="traced", clause=1),
        InspectedFeature("city=Oslo", 1, "column"),
    ]
    votes = np.where((table.city == "Oslo") & (table.age < 10), 1, -1)[:, None]
    targets, audit = records_to_targets([LFRecord("lf", tuple(terms))], space, 2, votes=votes, features=features)
    assert np.isnan(audit.vote_rate[0])
    assert 0.4 < audit.vote_rate[1] < 0.65
    assert dict(zip(targets.feature.tolist(), targets.value.tolist(), strict=True)) == {
        0: 1.0,
        1: pytest.approx(audit.vote_rate[1]),
    }


def random_rule(rng):
    words = [f"w{i}" for i in range(8)]
    clauses = [
        [rng.sample(words, rng.randint(1, 2)) for _ in range(rng.randint(1, 3))] for _ in range(rng.randint(1, 3))
    ]
    features = tuple(
        InspectedFeature(word, 1, "token", clause=c, group=g)
        for c, groups in enumerate(clauses)
        for g, group in enumerate(groups)
        for word in group
    )
    return words, clauses, LFRecord("lf", features)


@pytest.mark.parametrize("seed", range(25))
def test_whatever_a_bag_of_words_decides_is_asked_for_in_full(seed):
    rng = random.Random(seed)
    words, clauses, record = random_rule(rng)
    texts = [" ".join(word for word in words if rng.random() < 0.4) or "none" for _ in range(60)]
    votes = [
        1 if any(all(set(group) & set(text.split()) for group in groups) for groups in clauses) else -1
        for text in texts
    ]
    space = BagOfWords()
    features = space.fit_transform(texts, record.features)
    votes = np.array(votes)[:, None]
    targets, audit = records_to_targets([record], space, 2, votes=votes, features=features)
    expected, _ = records_to_targets([record], space, 2)
    assert audit.vote_rate.dropna().tolist() == [1.0] * audit.vote_rate.notna().sum()
    assert targets.value.tolist() == expected.value.tolist()
    dense, _ = records_to_targets([record], space, 2, votes=votes, features=features.toarray())
    coo, _ = records_to_targets([record], space, 2, votes=votes, features=sp.csr_array(features))
    assert dense.value.tolist() == coo.value.tolist() == targets.value.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"votes": np.zeros((2, 1), int)}, "votes and features measure together"),
        ({"features": np.zeros((2, 2))}, "votes and features measure together"),
        ({"votes": np.zeros((2, 2), int), "features": np.zeros((2, 2))}, r"votes of shape \(2, 2\).*do not fit 1 LFs"),
        ({"votes": np.zeros((2, 1), int), "features": np.zeros((3, 2))}, r"features of shape \(3, 2\)"),
        ({"votes": np.zeros((2, 1), int), "features": np.zeros((2, 9))}, "and 2 features"),
    ],
)
def test_votes_and_features_that_do_not_fit_are_refused(options, message):
    space = BagOfWords().fit(["a song", "a song"])
    with pytest.raises(TargetsError, match=message):
        records_to_targets([declared("song")], space, 2, **options)
