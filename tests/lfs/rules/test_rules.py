"""Rules vote as the WRENCH README says; on the real sets they give the published votes."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from snorkel.preprocess import preprocessor

from lol_lightning.exceptions import LabelingFunctionError
from lol_lightning.features.bag_of_words import BagOfWords
from lol_lightning.features.mapping import records_to_targets
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.lfs.apply import fast_apply
from lol_lightning.lfs.rules.rule_types import MaxWordsRule, RegexRule, SubstringRule, TokenRule, parse_rule, read_text
from lol_lightning.lfs.rules.rules import keyword_lf, regex_lf, rules_lf

SETS = ["youtube", "sms", "chemprot", "agnews_24k", "yelp_7.6k", pytest.param("imdb", marks=pytest.mark.slow)]


@pytest.mark.parametrize(
    ("rule", "hit", "missed"),
    [
        (SubstringRule(1, ["http"]), "see HTTPS://x", "link"),
        (SubstringRule(1, ["i̇"]), "İ", "I"),
        (SubstringRule(1, ["Http"]), None, "Http http"),
        (TokenRule(1, ["bad"]), "so BAD  food", "bad. badly\tbad"),
        (TokenRule(1, ["a b"]), None, "a b"),
        (RegexRule(1, "free"), "carefree", "FREE"),
        (RegexRule(1, "^free$", "im"), "so\nFREE\nnow", "free now"),
        (MaxWordsRule(1, 2), " two\u00a0words\n", "a b c"),
        (MaxWordsRule(1, 0), " \n", "a"),
        (SubstringRule(1, []), None, "anything"),
    ],
    ids=str,
)
def test_when_a_rule_hits(rule, hit, missed):
    assert hit is None or rule.matches(hit)
    assert not rule.matches(missed)


def test_the_first_rule_that_hits_votes():
    rules = [{"label": 0, "token": ["unhappy"]}, {"label": 1, "substring": ["happy"]}, {"label": 2, "max_words": 3}]
    lf = rules_lf("mood", rules)
    votes = [lf(SimpleNamespace(text=text)) for text in ("Unhappy", "unhappy.", "so so", "a b c d")]
    assert votes == [0, 1, 2, ABSTAIN]


@pytest.mark.parametrize("point", [SimpleNamespace(body="PLZ"), {"body": "PLZ"}, pd.Series({"body": "PLZ"})], ids=str)
def test_text_is_read_from_any_data_point(point):
    assert keyword_lf("asks", ["plz"], 1, text_column="body")(point) == 1


def test_a_column_named_like_an_attribute_of_a_series_is_read():
    assert read_text(pd.Series({"name": "text"}, name=7), "name") == "text"


@pytest.mark.parametrize(
    ("point", "message"),
    [
        (SimpleNamespace(), "no 'text'"),
        ({}, "no 'text'"),
        ({"text": None}, "None, not a text"),
        ({"text": 3}, "3, not"),
    ],
)
def test_a_missing_text_is_an_error(point, message):
    with pytest.raises(LabelingFunctionError, match=message):
        read_text(point, "text")


def test_keywords_are_lowered_and_one_word_may_stand_alone():
    lf = keyword_lf("asks", "PLEASE", label=np.int64(1))
    assert lf.rules == (SubstringRule(1, ("please",)),)
    assert lf(SimpleNamespace(text="Please")) == 1


def test_preprocessors_run_first():
    @preprocessor()
    def reverse(x):
        x.text = x.text[::-1]
        return x

    assert keyword_lf("asks", ["plz"], 1, pre=[reverse])(SimpleNamespace(text="zlp")) == 1


def test_a_compiled_pattern_brings_its_flags():
    assert regex_lf("r", re.compile("FREE", re.I), 1)(SimpleNamespace(text="free")) == 1


def test_the_record_says_what_the_rules_inspect():
    rules = [
        {"label": 0, "substring": [" war ", "u.n."]},
        {"label": 1, "regex": "a.*b|c.*d", "flags": ""},
        {"label": 2, "max_words": 5},
    ]
    found = rules_lf("lf", rules, text_column="body").record
    assert found.columns == ("body",)
    assert [(f.term, f.label, f.kind, f.clause, f.group, f.value) for f in found.features] == [
        ("war", 0, "token", 0, 0, 1.0),
        ("u.n", 0, "suffix", 0, 0, 1.0),
        ("a", 1, "substring", 1, 0, 1.0),
        ("b", 1, "substring", 1, 1, 1.0),
        ("c", 1, "substring", 2, 0, 1.0),
        ("d", 1, "substring", 2, 1, 1.0),
        ("words", 2, "length", 3, 0, -1.0),
    ]
    assert {f.column for f in found.features} == {"body"}


def test_rules_of_one_class_are_the_alternatives_of_one_list():
    texts = ["win a prize", "a prize", "free entry", "win", "a song", "song of mine", "what a day", "my day"]
    space = BagOfWords().fit(texts)
    one = rules_lf("lf", [{"label": 1, "token": ["win", "prize", "free"]}, {"label": 0, "token": ["song"]}])
    apart = [{"label": 1, "token": ["win"]}, {"label": 0, "token": ["song"]}, {"label": 1, "token": ["prize", "free"]}]
    values = []
    for lf in (one, rules_lf("lf", apart)):
        targets, _ = records_to_targets([lf.record], space, 2)
        names = [space.feature_names[j] for j in targets.feature.tolist()]
        values.append(dict(zip(names, targets.value.tolist(), strict=True)))
    assert values[0] == values[1]
    assert values[0] == pytest.approx(
        {"win": 7 / 8 * 6 / 8, "prize": 7 / 8 * 6 / 8, "free": 6 / 8 * 6 / 8, "song": 1.0}
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: keyword_lf("lf", [], 1), "'lf' has no words"),
        (lambda: keyword_lf("lf", ["a", ""], 1), "non-empty"),
        (lambda: keyword_lf("lf", ["a"], -1), "-1 is no class"),
        (lambda: keyword_lf("lf", ["a"], 1, match="word"), "'word' of LF 'lf'"),
        (lambda: regex_lf("lf", "(", 1), "no regular expression"),
        (lambda: regex_lf("lf", "a", 1, "iq"), "'iq' hold"),
        (lambda: rules_lf("lf", None), "'lf' has no rules"),
        (lambda: rules_lf("lf", []), "'lf' has no rules"),
        (lambda: parse_rule({"label": 1}), "exactly one of"),
        (lambda: parse_rule({"label": 1, "token": ["a"], "substring": ["a"]}), "exactly one of"),
        (lambda: parse_rule({"token": ["a"]}), "needs a label"),
        (lambda: parse_rule({"label": 1, "max_words": -1}), "max_words"),
        (lambda: parse_rule({"label": 1.5, "token": ["a"]}), "1.5 is no class"),
    ],
)
def test_ill_defined_rules_are_named(make, message):
    with pytest.raises(LabelingFunctionError, match=re.escape(message)):
        make()


@pytest.mark.wrench
@pytest.mark.parametrize("name", SETS)
def test_published_votes_of_train_are_reproduced(wrench_root, name):
    rows = list(json.loads((wrench_root / name / "train.json").read_text()).values())
    described = json.loads((wrench_root / name / "lfs.json").read_text())
    known = [i for i, lf in enumerate(described) if lf["rules"]]
    lfs = [rules_lf(described[i]["name"], described[i]["rules"]) for i in known]
    votes = fast_apply(lfs, [row["data"]["text"] for row in rows])
    published = np.array([row["weak_labels"] for row in rows])[:, known]
    assert (votes != published).sum(0).tolist() == [0] * len(known)
