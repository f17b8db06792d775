"""The record, and the one order in which its sources are trusted."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import permutations
from typing import get_args

import pytest

from lol_lightning.exceptions import LabelingFunctionError
from lol_lightning.lfs.record import TRUST, InspectedFeature, LFRecord, Source, most_trusted


def test_every_source_has_its_place():
    assert set(TRUST) == set(get_args(Source))
    assert TRUST == ("declared", "probed", "traced", "surrogate")


@pytest.mark.parametrize("sources", list(permutations(TRUST)))
def test_the_most_trusted_source_is_in_force_whatever_the_order(sources):
    while sources:
        features = tuple(InspectedFeature("win", 1, value=(i + 1) / 4, source=s) for i, s in enumerate(sources))
        [chosen] = LFRecord("lf", features).in_force()
        assert chosen == features[sources.index(min(sources, key=TRUST.index))]
        sources = tuple(source for source in sources if source != chosen.source)


def test_terms_are_compared_in_lower_case_and_classes_apart():
    record = LFRecord(
        "lf",
        (
            InspectedFeature("WIN", 1, source="traced"),
            InspectedFeature("win", 1, value=0.4, source="probed"),
            InspectedFeature("win", 0, source="traced"),
            InspectedFeature("cash", 1, source="surrogate"),
        ),
    )
    assert [(f.label, f.term, f.source) for f in record.in_force()] == [
        (1, "win", "probed"),
        (0, "win", "traced"),
        (1, "cash", "surrogate"),
    ]


def test_a_word_says_nothing_of_the_words_that_it_is_a_part_of():
    part, word = InspectedFeature("my", 1, source="traced"), InspectedFeature("my", 1, "token", 0.9, "probed")
    assert LFRecord("lf", (part, word)).in_force() == (part, word)
    assert LFRecord("lf", (part, replace(part, source="declared", value=0.5), word)).in_force()[0].value == 0.5


def test_a_column_or_a_length_is_no_word():
    features = (
        InspectedFeature("words", 1),
        InspectedFeature("words", 1, "length", source="traced"),
        InspectedFeature("age", 1, "column", source="probed"),
        InspectedFeature("age", 1, "token", source="traced"),
    )
    assert LFRecord("lf", features).in_force() == features


def test_all_findings_of_the_trusted_source_stay_as_rules_need_them():
    features = tuple(InspectedFeature("check", 1, clause=clause) for clause in range(3))
    record = LFRecord("lf", (*features, InspectedFeature("check", 1, source="probed")))
    assert record.in_force() == features


def test_any_key_can_be_decided():
    traced, probed = InspectedFeature("a", 1, source="traced"), InspectedFeature("b", 1, source="probed")
    candidates = [(7, traced, "traced"), (7, probed, "probed"), (8, traced, "alone")]
    assert most_trusted(candidates) == {7: ["probed"], 8: ["alone"]}


@pytest.mark.parametrize("data", [{}, {"name": "lf", "features": [{"word": "x"}], "columns": [], "notes": []}])
def test_what_is_no_record_is_named(data):
    with pytest.raises(LabelingFunctionError, match="not a record"):
        LFRecord.from_dict(data)


def test_records_are_read_without_snorkel():
    code = (
        "import json, sys; from lol_lightning.lfs import InspectedFeature, LFRecord, validate_votes;"
        "import lol_lightning.lfs.rows; print(json.dumps(sorted(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert not {"snorkel", "pytorch_lightning", "lightning"} & set(json.loads(loaded))


def test_a_term_in_another_column_is_another_feature():
    declared = InspectedFeature("great", 1, column="title")
    traced = InspectedFeature("great", 1, source="traced", column="body")
    anywhere = InspectedFeature("great", 1, source="surrogate")
    assert LFRecord("lf", (declared, traced)).in_force() == (declared, traced)
    assert LFRecord("lf", (declared, traced, anywhere)).in_force() == (declared, traced)
    probed = InspectedFeature("great", 1, source="probed", column="body")
    assert LFRecord("lf", (declared, traced, probed)).in_force() == (declared, probed)
