# ruff: noqa: RUF001
import json
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from lol_lightning.lfs.words import CONTENT, NO_SPACES, TOKEN, WORD, canonical

OLD = r"(?u)\d+(?:[.,]\d+)+|\w+(?:['\u2019]\w+)*|[$€£¥%!?]"
"""The pattern of version 0.1.0."""
SPECIAL = re.compile("[\u0300-\u036f\u200c\u200d\u2600-\u27bf\ufe0e\ufe0f\U0001f000-\U0001faff\u20d0-\u20ff]")
"""What the texts of the six sets hold of combining marks, joiners and emoji."""


def tokens(text):
    return re.findall(TOKEN, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("it's 1.50£ rock'n'roll 'q' 3rd_place!", ["it's", "1.50", "£", "rock'n'roll", "q", "3rd_place", "!"]),
        ("naïve it’s €5 caf", ["naïve", "it’s", "€", "5", "caf"]),
        (unicodedata.normalize("NFD", "café schönes café's"), ["cafe\u0301", "scho\u0308nes", "cafe\u0301's"]),
        ("İNDİRİM var".lower(), ["i̇ndi̇ri̇m", "var"]),
        ("मेरा चैनल देखो", ["मेरा", "चैनल", "देखो"]),
        ("हिन्दी क्षत्रिय", ["हिन्दी", "क्षत्रिय"]),
        ("বাংলা தமிழ் తెలుగు ಕನ್ನಡ മലയാളം", ["বাংলা", "தமிழ்", "తెలుగు", "ಕನ್ನಡ", "മലയാളം"]),
        ("اشترِك می\u200cخواهم שָׁלוֹם", ["اشترِك", "می\u200cخواهم", "שָׁלוֹם"]),
        ("กรุณา ติดตาม ช่อง", ["กรุณา", "ติดตาม", "ช่อง"]),
        ("한국어 텍스트", ["한국어", "텍스트"]),
        ("这个手机iPhone13很便宜。", ["这", "个", "手", "机", "iPhone13", "很", "便", "宜"]),
        ("𠮷野家 人々", ["𠮷", "野", "家", "人", "々"]),
        ("これはペンです コーヒー", ["これは", "ペン", "です", "コーヒー"]),
        (unicodedata.normalize("NFD", "ガがぎ"), [unicodedata.normalize("NFD", part) for part in ("ガ", "がぎ")]),
        ("win🎁now 🎁🎁", ["win", "🎁", "now", "🎁", "🎁"]),
        ("❤️ ❤ ❤️❤️ ★♥", ["❤", "❤", "❤", "❤", "★", "♥"]),
        ("👍🏽👍 👩‍💻 ❤️‍🔥 👨‍👩‍👧", ["👍🏽", "👍", "👩‍💻", "❤️‍🔥", "👨‍👩‍👧"]),
        ("🇩🇪🇫🇷 1️⃣ ©️ ™", ["🇩🇪", "🇫🇷", "1️⃣", "©"]),
        ("\ufe0f \u200d \u0301 … — “”", []),
    ],
)
def test_tokens_of_any_script(text, expected):
    assert tokens(text) == expected


# Letters and marks of Latin, Greek and Cyrillic text as they are typed, whose forms are composed.
latin = st.text(
    st.characters(codec="utf-8", max_codepoint=0x17F) | st.sampled_from("'’.,!?%$€£¥_-…“”—αβγΩжя0123456789²½ ")
)


@given(latin)
@settings(max_examples=500, deadline=None, derandomize=True)
def test_european_text_is_cut_as_before(text):
    assert tokens(text) == re.findall(OLD, text)
    assert re.findall(WORD, text) == re.findall(r"\b\w+\b", text)


@given(st.text(st.sampled_from("aé1_'’.,!? \u0301\u200d\ufe0f\u20e3कि่ท人々ひカー゛🎁❤🏽🇩👩"), max_size=12))
@settings(max_examples=500, deadline=None, derandomize=True)
def test_no_letter_is_lost_and_tokens_are_cut_again_as_they_are(text):
    found = [token for token in tokens(text) if not re.fullmatch("[$€£¥%!?]", token)]
    letters = [char for char in text if re.match(r"\w", char)]
    assert [char for token in found for char in token if re.match(r"\w", char)] == letters
    for token in found:
        assert tokens(token) == [token]
        assert re.search(CONTENT, token)


@pytest.mark.parametrize("lowercase", [True, False])
def test_the_pattern_suits_scikit_learn(lowercase):
    analyze = CountVectorizer(token_pattern=TOKEN, lowercase=lowercase).build_analyzer()
    assert analyze("Ça va? 👍🏽 便宜") == ["ça" if lowercase else "Ça", "va", "?", "👍🏽", "便", "宜"]


@pytest.mark.wrench
@pytest.mark.parametrize("name", ["youtube", "sms", "chemprot", "imdb", "agnews_24k", "yelp_7.6k"])
def test_texts_of_a_set_are_cut_as_before_but_for_marks_and_emoji(wrench_root, name):
    content = json.loads((wrench_root / name / "train.json").read_text())
    texts = [row["data"]["text"] for row in content.values()][:3000]
    before, now = set(), set()
    for text in texts:
        old, new = re.findall(OLD, text), tokens(text)
        if not SPECIAL.search(text):
            assert new == old
        before.update(old)
        now.update(new)
    assert all(SPECIAL.search(token) for token in now - before)
    # Only pieces of a word with a mark in its middle are gone.
    assert len(before - now) <= 0.001 * len(before)


def test_forms_that_look_alike_are_one():
    assert canonical("cafe\u0301 ❤\ufe0f") == canonical("café ❤")
    assert canonical("plain text") == "plain text"
    assert canonical("👍🏽") != canonical("👍")


def test_scripts_without_spaces():
    for text, expected in {
        "กขฮ": 3,
        "ລາວ": 3,
        "ខ្មែរ": 5,
        "မြန်မာ": 6,
        "人ひカ": 3,
        "한국어": 0,
        "abcé": 0,
        "चैनल": 0,
    }.items():
        assert len(re.findall(NO_SPACES, text)) == expected, text
