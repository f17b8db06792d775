"""What a summary shows is what the targets are made of: the same finding of the same source."""

import random
import re

import numpy as np
import pytest

from lol_lightning.features import BagOfWords
from lol_lightning.inspection import LFInspection
from lol_lightning.inspection.agreement import ranked_findings
from lol_lightning.lfs import InspectedFeature, LFRecord
from lol_lightning.lfs.record import TRUST

WORDS = ["song", "songs", "subscribe", "channel", "free", "cash", "win", "winner"]
SPACE = BagOfWords().fit([" ".join(random.Random(seed).choices(WORDS, k=4)) for seed in range(40)])


def random_record(rng, labels, terms, kinds):
    features = [
        InspectedFeature(
            rng.choice(terms),
            rng.choice(labels),
            rng.choice(kinds),
            rng.choice([1.0, 0.9, 0.5, 0.2, -0.3, -1.0]),
            rng.choice(TRUST),
            clause=rng.randrange(3),
            group=rng.randrange(2),
            support=rng.choice([None, 2, 300]),
        )
        for _ in range(rng.randrange(1, 10))
    ]
    return LFRecord("lf", tuple(features))


def inspection_of(record):
    return LFInspection([record], np.array([[1], [0]]))


def shown(record):
    """Read the findings off the summary: pairs of term and value as it is printed."""
    [row] = inspection_of(record).summary(max_terms=1000).itertuples()
    terms = re.findall(r"(\S+) (-?\d\.\d\d)(?: \[\d\])?(?:, |$)", row.Inspected)
    return {(term, value) for term, value in terms}, set(row.Sources.split(", "))


def used(record):
    """Return the features that targets come from, as the audit tells."""
    audit = inspection_of(record).audit(SPACE, num_classes=3)
    return [record.features[i] for i in np.flatnonzero(audit.num_targets)]


def test_a_declaration_is_what_is_shown_and_trained_on():
    declared, traced = (InspectedFeature("win", 1, "token", v, s) for v, s in ((0.2, "declared"), (0.9, "traced")))
    for features in ((declared, traced), (traced, declared)):
        record = LFRecord("lf", features)
        assert shown(record) == ({("win", "0.20")}, {"declared"})
        targets, _ = inspection_of(record).gradient_targets(SPACE, num_classes=2)
        assert [SPACE.feature_names[j] for j in targets.feature.tolist()] == ["win"]
        assert targets.value.tolist() == pytest.approx([0.2])
        assert used(record) == [declared]


@pytest.mark.parametrize("seed", range(100))
def test_the_summary_shows_exactly_what_the_targets_hold(seed):
    rng = random.Random(seed)
    record = random_record(rng, [1], WORDS, ["token", "entry"])
    in_targets = used(record)
    findings, sources = shown(record)
    assert {(f.term, f"{f.value:.2f}") for f in in_targets} <= findings
    assert {f.term for f in in_targets} == {term for term, _ in findings}
    assert {f.source for f in in_targets} == sources
    assert {(f.term, f.source) for f in in_targets} == {(f.term, f.source) for f in ranked_findings(record)}


@pytest.mark.parametrize("seed", range(100))
def test_nothing_is_trained_on_that_is_not_shown(seed):
    # Stems reach several entries and classes compete, so not all that is shown becomes a target.
    rng = random.Random(seed)
    record = random_record(rng, [0, 1, 2], [*WORDS, "wi", "so", "cash free"], ["token", "substring", "prefix", "entry"])
    findings, sources = shown(record)
    for feature in used(record):
        assert (feature.term.split()[-1], f"{feature.value:.2f}") in findings
        assert feature.source in sources
        assert feature in record.in_force()


@pytest.mark.parametrize("seed", range(30))
def test_opposed_pairs_read_the_same_findings(seed):
    rng = random.Random(seed)
    records = [random_record(rng, [0, 1], WORDS, ["token"]) for _ in range(2)]
    records = [LFRecord(name, record.features) for name, record in zip("ab", records, strict=True)]
    in_force = [{(f.term, f.label, f.value) for f in record.in_force()} for record in records]
    for row in LFInspection(records, np.zeros((1, 2), dtype=int)).opposed().itertuples():
        assert (row.feature, row.label, row.value) in in_force[0]
        assert (row.feature, row.other_label, row.other_value) in in_force[1]
