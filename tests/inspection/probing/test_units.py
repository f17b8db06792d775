import pytest
from sklearn.feature_extraction.text import CountVectorizer

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.features import BagOfWords
from lol_lightning.inspection.probing._units import TextUnits, remove_spans, spans_of


def without(units: TextUnits, text: str, name: str) -> str:
    return remove_spans(text, spans_of(units(text), [name]))


def test_removal_keeps_space_and_punctuation():
    assert without(TextUnits(), "See http://a.b,  http!\n", "http") == "See ://a.b,  !\n"


def test_a_bigram_takes_both_its_words():
    assert without(TextUnits(ngram_range=(1, 2)), "Check out: check this", "check out") == " :  this".replace(
        "  ", " check "
    )


def test_overlapping_spans_are_cut_once():
    assert remove_spans("abcdef", [(1, 4), (2, 3), (3, 5)]) == "af"


def test_entries_come_from_the_vectorizers_analyzer():
    vectorizer = CountVectorizer(stop_words=["this"], strip_accents="unicode", ngram_range=(1, 2))
    vectorizer.fit(["check out this café", "check cafe"])
    units = TextUnits.of_feature_space(vectorizer)
    found = units("CHECK this out, café")
    assert set(found) == {"check", "out", "cafe", "check out", "out cafe"}
    assert without(units, "CHECK this out, café", "check out") == " this , café"


def test_words_of_other_scripts_are_units():
    text = "चैनल: 便宜 ❤\ufe0f cafe\u0301"
    found = TextUnits()(text)
    assert set(found) == {"चैनल", "便", "宜", "❤", "cafe\u0301"}
    assert without(TextUnits(), text, "चैनल") == ": 便宜 ❤\ufe0f cafe\u0301"
    assert set(TextUnits.of_feature_space(BagOfWords().fit([text]))(text)) == set(found)


def test_words_outside_the_vocabulary_are_no_units():
    vectorizer = CountVectorizer().fit(["song"])
    assert TextUnits.of_feature_space(vectorizer)("my song") == {"song": ((3, 7),)}


def test_entries_of_characters_take_their_words():
    vectorizer = CountVectorizer(analyzer="char", ngram_range=(3, 3)).fit(["subscribe"])
    assert TextUnits.of_feature_space(vectorizer)("a subway")["sub"] == ((2, 8),)


def test_the_group_of_a_pattern_is_the_token():
    assert TextUnits(token_pattern=r"#(\w+)")("see #Song") == {"song": ((5, 9),)}


def test_bad_settings_name_value_and_cure():
    with pytest.raises(ConfigurationError, match=r"\(2, 1\).*1 <= low"):
        TextUnits(ngram_range=(2, 1))
    with pytest.raises(ConfigurationError, match="2 groups"):
        TextUnits(token_pattern=r"(a)(b)")
    with pytest.raises(ConfigurationError, match="Fit it first"):
        TextUnits.of_feature_space(CountVectorizer())
