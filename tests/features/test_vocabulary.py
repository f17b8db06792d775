import pytest
from sklearn.feature_extraction.text import CountVectorizer

from lol_lightning.features.bag_of_words import BagOfWords
from lol_lightning.features.vocabulary import FOREIGN, MAPPED, MAPPED_SHORT, OUT, SPLIT
from lol_lightning.lfs.record import InspectedFeature
from lol_lightning.lfs.words import TOKEN

WORDS = (
    "http https link my mystery army song songs out about check war warm award can't can agonist antagonist "
    "down downregulated breakdown regulated upregulated regulation u n no casino prime minister ministers amino acid "
    "the of $ 50 1.50"
)


@pytest.fixture(scope="module")
def space():
    return BagOfWords().fit([WORDS])


def match(space, term, kind="substring", column=None):
    matched = space.map_feature(InspectedFeature(term, 1, kind, column=column))
    return {space.feature_names[entry] for entry in matched.entries}, matched.remark


@pytest.mark.parametrize(
    ("term", "kind", "expected", "remark"),
    [
        ("http", "substring", {"http", "https"}, MAPPED),
        ("HTTP", "substring", {"http", "https"}, MAPPED),
        ("http://", "substring", {"http"}, MAPPED),
        ("my", "substring", {"my", "mystery", "army"}, MAPPED_SHORT),
        ("my", "token", {"my"}, MAPPED),
        ("song", "prefix", {"song", "songs"}, MAPPED),
        ("out", "suffix", {"out", "about"}, MAPPED),
        (" war ", "substring", {"war"}, MAPPED),
        (" war", "substring", {"war", "warm"}, MAPPED),
        ("war ", "substring", {"war"}, MAPPED),
        ("\tagoni", "substring", {"agonist"}, MAPPED),
        ("no.", "substring", {"no", "casino", "amino"}, MAPPED_SHORT),
        ("can't", "substring", {"can't"}, MAPPED),
        ("$", "substring", {"$"}, MAPPED),
        ("prize!", "token", set(), OUT),
        ("check!", "token", {"check"}, MAPPED),
        ("1.50", "token", {"1.50"}, MAPPED),
        ("u.n.", "substring", {"u", "n"}, SPLIT),
        ("down-regulat", "substring", {"down", "breakdown", "regulated", "regulation"}, SPLIT),
        ("prime minister", "substring", {"prime", "minister", "ministers"}, SPLIT),
        ("amino acid", "token", {"amino", "acid"}, SPLIT),
        ("check of", "substring", {"check"}, SPLIT),
        ("of the", "token", {"of", "the"}, SPLIT),
        ("prime suspect", "substring", {"prime"}, f"{SPLIT}, some {OUT}"),
        ("...", "substring", set(), f"{OUT}: the analyzer finds no token in it"),
        ("absent", "substring", set(), OUT),
        ("https", "entry", {"https"}, MAPPED),
        ("htt", "entry", set(), OUT),
        ("words", "length", set(), FOREIGN),
        ("likes", "column", set(), FOREIGN),
    ],
)
def test_match(space, term, kind, expected, remark):
    assert match(space, term, kind) == (expected, remark)


def test_feature_of_another_column_is_foreign(space):
    remark = f"{FOREIGN}: it is of the column 'author', not 'text'"
    assert match(space, "http", column="author") == (set(), remark)
    assert match(space, "http", column="text") == ({"http", "https"}, MAPPED)


def test_phrase_is_its_ngram_where_the_vocabulary_has_it():
    space = BagOfWords(CountVectorizer(ngram_range=(1, 2))).fit(["prime ministers and amino acids"])
    assert match(space, "prime minister") == ({"prime ministers"}, MAPPED)
    assert match(space, "prime minister", "token") == ({"prime", "prime ministers"}, f"{SPLIT}, some {OUT}")
    assert match(space, "amin") == ({"amino", "amino acids", "and amino"}, MAPPED)
    assert match(space, "amino", "token") == ({"amino", "amino acids", "and amino"}, MAPPED)


def test_parts_of_a_phrase_are_kept_apart(space):
    matched = space.map_feature(InspectedFeature("prime minister", 1))
    assert [len(part) for part in matched.parts] == [1, 2]


def test_stop_word_of_the_vectorizer_is_named():
    space = BagOfWords(CountVectorizer(stop_words="english")).fit(["the song"])
    assert match(space, "the", "token") == (set(), f"{OUT}: a stop word of the vectorizer")


def test_accents_are_stripped_as_the_vectorizer_does():
    space = BagOfWords(CountVectorizer(strip_accents="unicode")).fit(["café"])
    assert match(space, "Café") == ({"cafe"}, MAPPED)


def test_character_ngrams():
    space = BagOfWords(CountVectorizer(analyzer="char", ngram_range=(3, 3))).fit(["subscribe"])
    assert match(space, "ubs") == ({"ubs"}, MAPPED)
    assert match(space, "subs") == ({"sub", "ubs"}, "split into entries of the analyzer")
    assert match(space, "xyz") == (set(), OUT)


def test_pattern_characters_are_literal(space):
    assert match(space, "w.r", "entry") == (set(), OUT)
    assert match(space, "https?") == ({"https"}, MAPPED)


SCRIPTS = "这个手机很便宜 चैनल देखो win 🎁 ❤️ 👍🏽 👍 cafe\u0301 スマホ"


@pytest.mark.parametrize(
    ("term", "kind", "expected", "remark"),
    [
        ("便宜", "substring", {"便", "宜"}, SPLIT),
        ("便", "substring", {"便"}, MAPPED),
        ("चैनल", "substring", {"चैनल"}, MAPPED),
        ("चैन", "substring", {"चैनल"}, MAPPED),
        ("चैनल", "token", {"चैनल"}, MAPPED),
        ("café", "token", {"cafe\u0301"}, MAPPED),
        ("cafe\u0301", "entry", {"cafe\u0301"}, MAPPED),
        ("🎁", "token", {"🎁"}, MAPPED),
        ("❤", "substring", {"❤"}, MAPPED),
        ("❤\ufe0f", "substring", {"❤"}, MAPPED),
        ("👍", "substring", {"👍", "👍🏽"}, MAPPED_SHORT),
        ("👍", "token", {"👍"}, MAPPED),
        ("win 🎁", "substring", {"win", "🎁"}, SPLIT),
        ("スマ", "substring", {"スマホ"}, MAPPED),
        ("🐍", "substring", set(), OUT),
    ],
)
def test_words_of_other_scripts_find_their_entries(term, kind, expected, remark):
    assert match(BagOfWords().fit([SCRIPTS]), term, kind) == (expected, remark)


def test_both_forms_of_a_word_are_found_from_either():
    space = BagOfWords().fit(["café cafe\u0301"])
    for term in ("café", "cafe\u0301"):
        assert match(space, term, "token") == ({"café", "cafe\u0301"}, MAPPED)


def test_han_words_are_whole_with_ngrams():
    space = BagOfWords(CountVectorizer(token_pattern=TOKEN, ngram_range=(1, 2))).fit(["很便宜"])
    assert match(space, "便宜") == ({"便 宜"}, MAPPED)
