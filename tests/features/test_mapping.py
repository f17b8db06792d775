import logging

import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer

from lol_lightning.exceptions import TargetsError
from lol_lightning.features.bag_of_words import BagOfWords
from lol_lightning.features.mapping import records_to_targets
from lol_lightning.lfs.record import InspectedFeature, LFRecord

TEXTS = ["song about my cat", "my song", "subscribe please", "plz subscribe now", "not good", "good film", "good day"]


@pytest.fixture(scope="module")
def space():
    return BagOfWords().fit(TEXTS)


def entries(targets, space):
    names = [space.feature_names[j] for j in targets.feature.tolist()]
    rows = zip(targets.lf.tolist(), targets.cls.tolist(), names, targets.value.tolist(), strict=True)
    return {(lf, cls, name): pytest.approx(value) for lf, cls, name, value in rows}


def record(*features, name="lf"):
    return LFRecord(name, features)


def test_alternatives_weaken_each_other_by_their_frequency(space):
    targets, _ = records_to_targets([record(InspectedFeature("please", 1), InspectedFeature("my", 1))], space, 2)
    assert entries(targets, space) == {(0, 1, "please"): 1 - 2 / 7, (0, 1, "my"): 1 - 1 / 7}


def test_groups_of_one_clause_do_not_weaken_each_other(space):
    two_groups = record(InspectedFeature("please", 1, group=0), InspectedFeature("my", 1, group=1))
    targets, _ = records_to_targets([two_groups], space, 2)
    assert entries(targets, space) == {(0, 1, "please"): 1.0, (0, 1, "my"): 1.0}


def test_clauses_of_one_class_and_source_are_alternatives(space):
    two_clauses = record(InspectedFeature("please", 1, clause=0), InspectedFeature("my", 1, clause=1))
    targets, _ = records_to_targets([two_clauses], space, 2)
    assert entries(targets, space) == {(0, 1, "please"): 1 - 2 / 7, (0, 1, "my"): 1 - 1 / 7}
    apart = [InspectedFeature("please", 1), InspectedFeature("my", 0, clause=1)]
    apart += [InspectedFeature("song", 1, source="traced", clause=2)]
    targets, _ = records_to_targets([record(*apart)], space, 2)
    assert entries(targets, space) == {(0, 1, "please"): 1.0, (0, 0, "my"): 1.0, (0, 1, "song"): 1.0}


def test_words_of_a_split_phrase_are_all_needed(space):
    targets, audit = records_to_targets([record(InspectedFeature("subscribe film", 1, kind="token"))], space, 2)
    assert entries(targets, space) == {(0, 1, "subscribe"): 1.0, (0, 1, "film"): 1.0}
    assert audit.remark.tolist() == ["split into content words"]


def test_unseen_alternatives_do_not_weaken(space):
    wide = BagOfWords(add_inspected=True)
    features = [InspectedFeature(f"unseen{i}", 1) for i in range(50)] + [InspectedFeature("my", 1)]
    wide.fit(TEXTS, features)
    targets, _ = records_to_targets([record(*features)], wide, 2)
    assert entries(targets, wide)[0, 1, "my"] == 1.0
    assert entries(targets, wide)[0, 1, "unseen3"] == 1 - 2 / 7


def test_duplicates_keep_the_largest_magnitude(space):
    features = (InspectedFeature("my", 1, value=0.5), InspectedFeature("my", 1, value=-0.9, clause=1))
    targets, _ = records_to_targets([record(*features)], space, 2)
    assert entries(targets, space) == {(0, 1, "my"): -0.9}


def test_declared_wins_over_probed_over_traced_over_surrogate(space):
    features = (
        InspectedFeature("my", 1, value=0.2),
        InspectedFeature("my", 1, "entry", value=0.3, source="probed"),
        InspectedFeature("my", 1, value=0.9, source="traced"),
        InspectedFeature("song", 1, "entry", value=-0.4, source="probed"),
        InspectedFeature("song", 1, clause=1, source="traced"),
        InspectedFeature("good", 1, clause=2, source="traced"),
        InspectedFeature("good", 1, "entry", value=-0.4, source="surrogate"),
        InspectedFeature("now", 1, "entry", value=0.2, source="surrogate"),
    )
    targets, _ = records_to_targets([record(*features)], space, 2)
    assert entries(targets, space) == {
        (0, 1, "my"): 0.2,
        (0, 1, "song"): -0.4,
        (0, 1, "good"): (1 - 2 / 7) * (1 - 2 / 7),  # neither "my" nor "song"
        (0, 1, "now"): 0.2,
    }
    measured, _ = records_to_targets([record(*features)], space, 2, sources=["probed", "traced"])
    assert entries(measured, space)[0, 1, "my"] == 0.3


def test_word_alone_decides_over_a_phrase_of_another_class(space):
    features = (
        InspectedFeature("not good", 0, kind="token", clause=0),
        InspectedFeature("good", 1, kind="token", clause=1),
    )
    targets, audit = records_to_targets([record(*features)], space, 2)
    # "not" is a stop word, so "good" is all that is left of the phrase, and both classes ask for it alike.
    assert entries(targets, space) == {}
    assert audit.num_targets.tolist() == [0, 0]
    phrase = (
        InspectedFeature("not", 0, kind="token", clause=0, group=0),
        InspectedFeature("good", 0, kind="token", clause=0, group=1),
        InspectedFeature("good", 1, kind="token", clause=1),
    )
    targets, _ = records_to_targets([record(*phrase)], space, 2)
    chance = float(space.document_frequency[space.feature_names.index("not")])
    assert entries(targets, space) == {(0, 0, "not"): 1.0, (0, 1, "good"): (1 - chance) / (1 + chance)}


def test_classes_of_different_lfs_are_not_compared(space):
    records = [record(InspectedFeature("my", 0), name="a"), record(InspectedFeature("my", 1), name="b")]
    targets, _ = records_to_targets(records, space, 2)
    assert entries(targets, space) == {(0, 0, "my"): 1.0, (1, 1, "my"): 1.0}


def test_threshold_and_top_k_count_per_lf(space):
    features = [
        InspectedFeature(word, 1, "token", v, clause=i)
        for i, (word, v) in enumerate([("my", 0.2), ("song", -0.9), ("cat", 0.5), ("film", 0.1)])
    ]
    records = [record(*features, name="a"), record(*features[:1], name="b")]
    top, _ = records_to_targets(records, space, 2, top_k=2)
    cat = 0.5 * (1 - 2 / 7) * (1 - 1 / 7)  # neither "my" nor "film"
    assert entries(top, space) == {(0, 1, "song"): -0.9, (0, 1, "cat"): cat, (1, 1, "my"): 0.2}
    strong, _ = records_to_targets(records, space, 2, threshold=0.2)
    assert entries(strong, space).keys() == {(0, 1, "song"), (0, 1, "cat")}


def test_sources(space):
    features = (InspectedFeature("my", 1), InspectedFeature("song", 1, source="traced"))
    targets, audit = records_to_targets([record(*features)], space, 2, sources=["traced"])
    assert entries(targets, space).keys() == {(0, 1, "song")}
    assert audit.inspected.tolist() == ["song"]


def test_audit_names_what_was_found_and_what_was_not(space):
    features = (InspectedFeature("subscr", 1), InspectedFeature("http", 1), InspectedFeature("words", 0, "length"))
    targets, audit = records_to_targets([record(*features), LFRecord("bare")], space, 2)
    assert audit.to_dict("records")[0] == {
        "lf": "lf",
        "inspected": "subscr",
        "kind": "substring",
        "source": "declared",
        "label": 1,
        "entries": ["subscribe"],
        "num_entries": 1,
        "num_targets": 1,
        "remark": "mapped",
    }
    assert audit.remark.tolist()[1:] == ["out of vocabulary", "not a feature of this space"]
    assert targets.lfs_without_features == [1]


def test_targets_carry_frequency_and_scale(space):
    assert records_to_targets([record()], space, 2)[0].feature_scale is None
    counts = BagOfWords(CountVectorizer()).fit(["a_word a_word", "other"])
    targets, _ = records_to_targets([record()], counts, 2)
    torch.testing.assert_close(targets.feature_scale, torch.tensor([2.0, 1.0]))
    torch.testing.assert_close(targets.document_frequency, torch.tensor([0.5, 0.5]))


def test_one_warning_sums_up_the_split_phrases(space, caplog):
    features = [InspectedFeature(f"my {word}", 1) for word in ("cat", "day", "film")]
    with caplog.at_level(logging.WARNING):
        records_to_targets([record(*features)], space, 2)
    assert len(caplog.records) == 1
    assert "3 inspected phrase(s)" in caplog.text
    assert "'my cat', 'my day', 'my film'" in caplog.text


def test_class_without_room_names_lf_and_term(space):
    with pytest.raises(TargetsError, match=r"LF 'lf' inspects 'my' for class 2, outside the 2 classes"):
        records_to_targets([record(InspectedFeature("my", 2))], space, 2)


def test_declared_records_give_the_same_targets_bit_by_bit(space):
    # Recorded before there was one order of trust for summaries and targets.
    expected = {
        (0, 1, "my"): "-0x1.3333340000000p-2",
        (0, 1, "please"): "0x1.39782a0000000p-1",
        (0, 1, "plz"): "0x1.39782a0000000p-1",
        (0, 1, "subscribe"): "0x1.7829cc0000000p-2",
        (1, 0, "not"): "0x1.0000000000000p+0",
        (1, 1, "good"): "0x1.45d1740000000p-1",
        (2, 0, "please"): "0x1.0539780000000p-1",
        (2, 0, "subscribe"): "0x1.39782a0000000p-1",
        # neither "song" nor the word of the other clause
        (2, 1, "about"): "0x1.39782a0000000p-1",
        (2, 1, "cat"): "0x1.39782a0000000p-1",
    }
    any_of = [InspectedFeature(word, 1) for word in ("please", "plz")]
    any_of += [InspectedFeature("subscribe", 1, value=0.5), InspectedFeature("my", 1, "token", -0.3)]
    rivals = [InspectedFeature(word, 0, "token", group=group) for group, word in enumerate(("not", "good"))]
    rivals += [InspectedFeature("good", 1, "token", clause=1)]
    twice = [InspectedFeature("song", 1, value=0.6), InspectedFeature("about", 1)]
    twice += [InspectedFeature("song", 1, value=0.5, clause=1), InspectedFeature("cat", 1, "prefix", clause=1)]
    twice += [InspectedFeature("s", 0, clause=2)]
    targets, _ = records_to_targets([record(*any_of), record(*rivals), record(*twice)], space, 2)
    names = [space.feature_names[j] for j in targets.feature.tolist()]
    keys = zip(targets.lf.tolist(), targets.cls.tolist(), names, strict=True)
    assert dict(zip(keys, map(float.hex, targets.value.tolist()), strict=True)) == expected


def test_alternatives_weaken_a_term_also_where_they_are_not_in_force(space):
    traced = [InspectedFeature(word, 1, source="traced") for word in ("please", "plz")]
    targets, _ = records_to_targets([record(InspectedFeature("please", 1, value=0.4), *traced)], space, 2)
    assert entries(targets, space) == {(0, 1, "please"): 0.4, (0, 1, "plz"): 1 - 1 / 7}


def test_the_audit_counts_a_target_for_the_finding_that_it_comes_from(space):
    features = (
        InspectedFeature("please", 1, "token", value=0.2),
        InspectedFeature("please", 1, source="traced"),
        InspectedFeature("ple", 1, "prefix", source="traced", clause=1),
        InspectedFeature("my", 1, source="traced", clause=2),
        InspectedFeature("http", 1),
        InspectedFeature("http", 1, source="traced", clause=3),
    )
    targets, audit = records_to_targets([record(*features)], space, 2)
    assert audit.num_targets.tolist() == [1, 0, 0, 1, 0, 0]
    assert audit.num_targets.sum() == len(targets)
    overruled = "overruled by a more trusted finding: declared"
    assert audit.remark.tolist() == ["mapped", overruled, overruled, "mapped", *["out of vocabulary"] * 2]
