import copy
import pickle

import pytest

pytest.importorskip("transformers")
from tiny_bert import CLS, PAD, SEP, backend, tiny_tokenizer, words_to_ids

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.features import BagOfWords, ColumnFeatures, TokenSequences, feature_space_from_state
from lol_lightning.features.shortening import shortened, window_start

TEXTS = ["win a prize", "nice song", "", "this is the melody of the day w1 w2 w3 w4 w5"]


def lists(rows):
    return [part.tolist() for part in rows.ids.split(rows.lengths.tolist())]


def test_tokens_are_those_of_the_tokenizer_itself():
    tokenizer = tiny_tokenizer(model_max_length=8)
    space = TokenSequences(tokenizer)
    expected = tokenizer(TEXTS, truncation=True, return_token_type_ids=False)["input_ids"]
    assert space.max_length == 8
    assert lists(space.transform(TEXTS)) == expected
    assert lists(TokenSequences(backend(), max_length=8).transform(TEXTS)) == expected
    assert lists(space.transform(TEXTS[:1])) == [[CLS, 4, 5, 6, SEP]]


def test_texts_are_cut_where_the_tokenizer_says():
    tokenizer = tiny_tokenizer(truncation_side="left", padding_side="left", model_max_length=5)
    expected = tokenizer(TEXTS, truncation=True)["input_ids"]
    batch = TokenSequences(tokenizer).transform(TEXTS)
    assert lists(batch) == expected
    assert batch.batch()["input_ids"][2].tolist() == [PAD, PAD, PAD, CLS, SEP]


def test_a_name_loads_the_tokenizer(tmp_path):
    tiny_tokenizer().save_pretrained(tmp_path)
    space = TokenSequences(str(tmp_path))
    assert lists(space.transform(TEXTS)) == lists(TokenSequences(tiny_tokenizer()).transform(TEXTS))
    assert space.tokenizer.name == str(tmp_path)


@pytest.mark.parametrize("word", ["this", "melody", "w3", "w5"])
@pytest.mark.parametrize("max_length", [4, 6, 9, 14])
def test_a_window_around_the_kept_word_stays(word, max_length):
    space = TokenSequences(backend(), max_length=max_length)
    text = TEXTS[3]
    start = text.index(word)
    tokens = lists(space.transform([text], keep=[(start, start + len(word))]))[0]
    own = backend().encode(word, add_special_tokens=False).ids
    whole = backend().encode(text, add_special_tokens=False).ids
    assert tokens[0] == CLS
    assert tokens[-1] == SEP
    assert len(tokens) == min(max_length, len(whole) + 2)
    assert any(tokens[i : i + len(own)] == own for i in range(len(tokens)))
    assert any(whole[i : i + len(tokens) - 2] == tokens[1:-1] for i in range(len(whole)))


def test_a_word_that_is_within_reach_moves_no_window():
    space = TokenSequences(backend(), max_length=6)
    assert lists(space.transform(TEXTS, keep=[(0, 3), (0, 4), (0, 0), (5, 7)])) == lists(space.transform(TEXTS))
    assert lists(space.transform(TEXTS, keep=[None] * 4)) == lists(space.transform(TEXTS))


def test_what_cannot_be_kept_is_named():
    with pytest.raises(DataError, match=r"'the melody of' are 4 tokens, and max_length = 5 leaves room for 3"):
        TokenSequences(backend(), max_length=5).transform(TEXTS[3:], keep=[(8, 21)])
    with pytest.raises(DataError, match="keep= holds 1 spans for 2 texts"):
        TokenSequences(backend()).transform(TEXTS[:2], keep=[(0, 1)])


@pytest.mark.parametrize("word", ["this", "melody", "w3", "w5"])
def test_a_function_gets_texts_without_the_words_on_the_far_side(word):
    space = TokenSequences(words_to_ids, max_length=6)
    text = TEXTS[3]
    start = text.index(word)
    tokens = lists(space.transform([text], keep=[(start, start + len(word))]))[0]
    assert len(tokens) == 6
    assert tokens[-1] == 5
    assert words_to_ids([word])[0][0] in tokens
    assert lists(space.transform([text]))[0] == words_to_ids(["this is the melody of"])[0]


def test_texts_without_spaces_lose_characters():
    assert shortened(["abcdef", "abcdef"], [None, (4, 5)], 3, lambda texts: [len(text) for text in texts]) == [
        "abc",
        "def",
    ]
    with pytest.raises(DataError, match=r"more than max_length = 3 tokens of 'bcde'"):
        shortened(["abcdef"], [(1, 5)], 3, lambda texts: [len(text) for text in texts])


def test_the_window_is_around_the_middle():
    assert [window_start(10, 4, (place, place + 1)) for place in (0, 3, 5, 9)] == [0, 0, 3, 6]
    assert window_start(10, 4, cut_left=True) == 6
    assert window_start(10, 4, (0, 1), cut_left=True) == 0


def test_a_function_may_return_dictionaries_and_padding():
    def tokenize(texts):
        return {
            "input_ids": [[9, len(text), 0] for text in texts],
            "token_type_ids": [[0, 1, 0] for _ in texts],
            "attention_mask": [[1, 1, 0] for _ in texts],
        }

    rows = TokenSequences(tokenize).transform(["ab", "abc"])
    assert rows.batch()["input_ids"].tolist() == [[9, 2], [9, 3]]
    assert rows.batch()["token_type_ids"].tolist() == [[0, 1], [0, 1]]


def test_a_text_without_tokens_is_one_padding_token():
    rows = TokenSequences(lambda texts: [[ord(c) for c in text] for text in texts], pad_token_id=3).transform(["", "a"])
    assert rows.batch()["input_ids"].tolist() == [[3], [97]]
    assert rows.batch()["attention_mask"].tolist() == [[1], [1]]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ([[1]], "returned 1 rows for 2 texts"),
        (None, "returned a NoneType rows for 2 texts"),
        ([[1], [0.5]], r"made \[0.5\] of 'b'"),
        ([[1], [-1]], r"made \[-1\] of 'b'"),
        ([[1], ["x"]], r"made \['x'\] of 'b'"),
        ({"ids": [[1], [2]]}, r"returned \['ids'\] without input_ids"),
    ],
)
def test_what_is_no_token_id_is_named(output, message):
    with pytest.raises(DataError, match=message):
        TokenSequences(lambda texts: output).transform(["a", "b"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokenizer": 3}, "tokenizer = 3 is of the type int"),
        ({"tokenizer": backend(), "max_length": 2}, "max_length = 2 leaves no room: the tokenizer adds 2 special"),
        ({"tokenizer": words_to_ids, "max_length": 0}, "max_length = 0 must be at least 1"),
        ({"tokenizer": words_to_ids, "pad_token_id": -1}, "pad_token_id = -1 must be at least 0"),
        ({"tokenizer": tiny_tokenizer(pad_token=None)}, "has no padding token: give pad_token_id="),
    ],
)
def test_settings_that_cannot_work_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        TokenSequences(**options)


@pytest.mark.parametrize("make", [backend, tiny_tokenizer], ids=["tokenizers", "transformers"])
def test_the_state_makes_the_same_tokens(make):
    space = TokenSequences(make(), "comment", max_length=7, pad_to_multiple_of=4)
    again = feature_space_from_state(space.state())
    frame = [{"comment": text} for text in TEXTS]
    for twin in (again, pickle.loads(pickle.dumps(space)), copy.deepcopy(space)):
        assert lists(twin.transform(frame)) == lists(space.transform(frame))
        assert twin.transform(frame).padding == space.transform(frame).padding
        assert repr(twin) == repr(space)
    assert space.reads_like(again)
    assert not space.reads_like(TokenSequences(words_to_ids))


def test_broken_states_are_data_errors():
    state = TokenSequences(backend()).state()
    for broken in (
        {**state, "max_length": "7"},
        {**state, "tokenizer": {"kind": "pickle"}},
        {"class": "TokenSequences"},
    ):
        with pytest.raises(DataError, match="state of a"):
            feature_space_from_state(broken)
    content = {**state["tokenizer"], "content": "{}"}
    with pytest.raises(DataError, match="is broken"):
        feature_space_from_state({**state, "tokenizer": content})


def test_token_ids_are_no_columns():
    with pytest.raises(ConfigurationError, match=r"the part 'body' of ColumnFeatures is TokenSequences"):
        ColumnFeatures({"title": BagOfWords(), "body": TokenSequences(words_to_ids)})


def test_a_function_has_no_state():
    with pytest.raises(ConfigurationError, match="its tokenizer is a function"):
        TokenSequences(words_to_ids).state()


def test_the_number_of_shortened_texts_is_said_once(caplog):
    space = TokenSequences(backend(), max_length=6)
    with caplog.at_level("INFO"):
        space.transform(TEXTS)
        space.transform(TEXTS)
    assert [record.message for record in caplog.records] == [
        "1 of 4 texts have more than max_length = 6 tokens and are shortened."
    ]


def test_no_feature_has_a_meaning():
    space = TokenSequences(words_to_ids, "comment")
    assert (space.interpretable, space.text_columns, space.num_features, space.is_fitted) == (
        False,
        ["comment"],
        0,
        True,
    )
    assert repr(space) == "TokenSequences('words_to_ids', text_column='comment', max_length=256)"
