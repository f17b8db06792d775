import pytest

from lol_lightning.inspection.agreement import agreement, opposed_pairs, ranked_findings, shows_in
from lol_lightning.lfs.record import InspectedFeature, LFRecord


def probed(term, label=1, value=1.0, support=10):
    return InspectedFeature(term, label, "token", value, "probed", support=support)


@pytest.mark.parametrize(
    ("term", "kind", "unit", "expected"),
    [
        ("http", "substring", "https", True),
        ("http", "token", "https", False),
        ("HTTP", "token", "http", True),
        ("subscr", "prefix", "subscribe", True),
        ("scribe", "prefix", "subscribe", False),
        ("scribe", "suffix", "subscribe", True),
        ("check out", "substring", "check", True),
        ("check out", "substring", "outside", True),
        ("check this out", "substring", "this", True),
        ("check out", "substring", "other", False),
        ("words", "length", "words", True),
        ("words", "length", "word", False),
        ("!", "substring", "!", True),
        ("चैनल", "token", "चैनल", True),
        ("便宜", "substring", "便", True),
        ("🎁", "substring", "🎁", True),
        ("win 🎁", "substring", "win", True),
    ],
)
def test_a_stated_feature_shows_in_units(term, kind, unit, expected):
    assert shows_in(InspectedFeature(term, 1, kind), probed(unit)) is expected


def test_class_and_sign_must_be_the_same():
    stated = InspectedFeature("win", 1)
    assert shows_in(stated, probed("win"))
    assert not shows_in(stated, probed("win", label=0))
    assert not shows_in(stated, probed("win", value=-1.0))


def test_a_column_shows_in_its_categories():
    unit = InspectedFeature("city=Oslo", 1, "column", 1.0, "probed", column="city", support=3)
    assert shows_in(InspectedFeature("city", 1, "column"), unit)
    assert not shows_in(InspectedFeature("age", 1, "column"), unit)


def test_agreement_counts_the_votes_that_the_stated_features_explain():
    record = LFRecord(
        "lf", (InspectedFeature("win", 1), probed("win", support=30), probed("cash", value=0.5, support=20))
    )
    assert agreement(record) == pytest.approx(30 / (30 + 10))


def test_traced_features_stand_in_for_declared_ones():
    traced = InspectedFeature("win", 1, source="traced")
    assert agreement(LFRecord("lf", (traced, probed("win")))) == 1.0
    assert agreement(LFRecord("lf", (InspectedFeature("cash", 1), traced, probed("win")))) == 0.0


def test_no_agreement_without_two_sources():
    assert agreement(LFRecord("lf", (InspectedFeature("win", 1),))) is None
    assert agreement(LFRecord("lf", (probed("win"),))) is None


def test_the_findings_that_decide_most_votes_come_first():
    record = LFRecord("lf", (probed("rare", support=2), probed("often", value=0.5, support=100)))
    assert [f.term for f in ranked_findings(record)] == ["often", "rare"]


@pytest.mark.parametrize(
    ("ours", "theirs", "opposed"),
    [
        ((1, 1.0), (0, 1.0), True),
        ((1, 1.0), (1, -1.0), True),
        ((1, 1.0), (0, -1.0), False),
        ((1, 1.0), (1, 0.5), False),
    ],
)
def test_which_demands_are_opposed(ours, theirs, opposed):
    records = [LFRecord(n, (probed("song", *demand),)) for n, demand in (("a", ours), ("b", theirs))]
    assert len(opposed_pairs(records)) == opposed


def test_weak_findings_oppose_nothing():
    records = [LFRecord("a", (probed("song"),)), LFRecord("b", (probed("song", 0, 0.05),))]
    assert len(opposed_pairs(records)) == 0
    assert len(opposed_pairs(records, min_value=0.01)) == 1


def test_the_most_trusted_value_counts():
    traced, declared = InspectedFeature("Song", 0, source="traced"), InspectedFeature("Song", 0, value=0.9)
    records = [LFRecord("a", (probed("song"),)), LFRecord("b", (traced, probed("song", 0, 0.4)))]
    [row] = opposed_pairs(records).itertuples()
    assert (row.lf, row.other_lf, row.other_value) == ("a", "b", 0.4)
    records[1] = records[1].merge(LFRecord("b", (declared,)))
    [row] = opposed_pairs(records).itertuples()
    assert row.other_value == 0.9
