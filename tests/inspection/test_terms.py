"""The terms of an LF, by hand: words, stems, phrases, rules of several words, and what was measured."""

import numpy as np
import pandas as pd
import pytest

from lol_lightning import keyword_lf, regex_lf
from lol_lightning.features import BagOfWords
from lol_lightning.inspection.terms import Vocabulary, terms_of
from lol_lightning.lfs.record import InspectedFeature, LFRecord

TEXTS = ["win a prize now", "mutation and mutated genes", "check out this", "a song of mine", "mutations", "prize"]


def vocabulary(records, texts=TEXTS, column="text", votes=None):
    bag = BagOfWords(text_column=column)
    features = bag.fit_transform(pd.DataFrame({column: texts}, dtype=object), ())
    votes = np.full((len(texts), len(records)), -1) if votes is None else votes
    return Vocabulary(bag, features, votes, records)


def terms(*features, texts=TEXTS, votes=None, seed=0):
    record = LFRecord("lf", features)
    return terms_of(0, record, {"text": vocabulary([record], texts, votes=votes)}, "text", seed)


def texts_of(found):
    return [term.text for term in found]


def feature(term, label=1, **options):
    return InspectedFeature(term, label, **options)


def test_a_word_of_the_corpus_and_one_that_is_not():
    found = terms(feature("prize"), feature("award"))
    assert texts_of(found) == ["prize", "award"]
    assert [(term.lf, term.cls, term.column) for term in found] == [(0, 1, None)] * 2
    assert found[1].value == 1


def test_a_stem_is_every_word_of_the_corpus_that_matches():
    assert set(texts_of(terms(feature("mutat")))) == {"mutation", "mutated", "mutations"}
    assert set(texts_of(terms(feature("mutation", kind="prefix")))) == {"mutation", "mutations"}
    assert texts_of(terms(feature("mutation", kind="token"))) == ["mutation"]
    assert set(texts_of(terms(feature("ed", kind="suffix")))) == {"mutated"}


def test_a_stem_that_no_word_matches_stands_by_itself():
    assert texts_of(terms(feature("inhibit"))) == ["inhibit"]


def test_a_phrase_stays_whole():
    assert texts_of(terms(feature("check  out"))) == ["check out"]


def test_a_rule_of_several_words_becomes_examples_that_match():
    rule = [feature("check"), feature("out", group=1), feature("this", group=1)]
    assert set(texts_of(terms(*rule))) == {"check out", "check this"}
    other = feature("win", clause=1)
    assert set(texts_of(terms(*rule, other))) == {"check out", "check this", "win"}


def test_a_word_twice_in_a_rule_stands_once():
    assert texts_of(terms(feature("song"), feature("song", group=1, kind="token"))) == ["song"]


def test_a_pattern_becomes_texts_on_which_it_votes():
    lf = regex_lf("check", r"check.*(out|this)", label=1)
    found = terms(*lf.record.features)
    assert len(found) >= 2
    assert all(lf(pd.Series({"text": term.text})) == 1 for term in found)


def test_what_takes_a_vote_away_and_what_was_measured_stand_by_themselves():
    found = terms(feature("prize", value=-0.5), feature("win", group=1, value=-0.5))
    assert texts_of(found) == ["prize", "win"]
    assert all(term.value < 0 for term in found)
    found = terms(feature("song", source="probed"), feature("mine", source="probed", group=1))
    assert texts_of(found) == ["song", "mine"]


def test_the_value_is_how_often_the_rows_with_a_word_have_the_vote():
    texts = ["a song", "my song", "one song", "no song", "x y", "z"]
    votes = np.array([[0], [0], [0], [-1], [-1], [-1]])
    often = terms(feature("song", label=0), texts=texts, votes=votes)
    never = terms(feature("song", label=0), texts=texts, votes=np.full((6, 1), -1))
    assert 0.5 < often[0].value <= 1
    assert never[0].value < often[0].value


@pytest.mark.parametrize("kind", ["column", "length"])
def test_what_is_no_word_is_no_term(kind):
    assert terms(feature("age", kind=kind)) == []


def test_the_same_word_for_the_same_class_is_one_term():
    assert texts_of(terms(feature("prize"), feature("prize", kind="token"), feature("PRIZE"))) in (["prize"], ["PRIZE"])
    assert len(terms(feature("prize"), feature("prize", label=0))) == 2


def test_columns_have_vocabularies_of_their_own():
    record = LFRecord(
        "lf", (feature("mutat", column="title"), feature("mutat", column="body"), feature("x", column="no"))
    )
    columns = {
        "title": vocabulary([record], ["mutated", "b"], "title"),
        "body": vocabulary([record], ["mutation"] * 2, "body"),
    }
    assert [(term.text, term.column) for term in terms_of(0, record, columns, "body")] == [
        ("mutated", "title"),
        ("mutation", "body"),
    ]


def test_words_of_other_scripts():
    lf = keyword_lf("win", ["中奖"], label=1)
    assert texts_of(terms(*lf.record.features, texts=["恭喜你中奖了", "今天下雨"])) == ["中奖"]


def test_many_examples_are_drawn_by_the_seed():
    texts = [" ".join(f"a{i} b{i}" for i in range(20))]
    rule = [feature(f"a{i}", kind="token") for i in range(20)]
    rule += [feature(f"b{i}", group=1, kind="token") for i in range(20)]
    first, again, other = (texts_of(terms(*rule, texts=texts, seed=seed)) for seed in (0, 0, 1))
    assert first == again != other
    assert 30 < len(first) <= 64
    assert all(a.startswith("a") and b.startswith("b") for a, b in map(str.split, first))
