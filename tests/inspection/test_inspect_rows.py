"""Rows of every kind and columns of every name and content are inspected, or their names are said."""

import dataclasses
import logging
import re
import threading
from collections import namedtuple
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from snorkel.labeling import LabelingFunction, labeling_function
from snorkel.preprocess import preprocessor
from spark_rows import spark_row

from lol_lightning.exceptions import DataError, LabelingFunctionError
from lol_lightning.features import BagOfWords
from lol_lightning.inspection import inspect_lfs
from lol_lightning.inspection.probing import probe_table
from lol_lightning.lfs.rules import keyword_lf, regex_lf

TEXTS = ["cheap pills", "nice song", "cheap", "hello"] * 3
VOTES = [1, -1, 1, -1] * 3
Named = namedtuple("Named", "text likes")


@dataclasses.dataclass(frozen=True)
class Frozen:
    text: str
    likes: int


class Slots:
    __slots__ = ("likes", "text")

    def __init__(self, text, likes):
        self.text, self.likes = text, likes


class Strict:
    """As pydantic's models, which are frozen and check what is set."""

    def __init__(self, text, likes):
        self.__dict__.update(text=text, likes=likes)

    def __setattr__(self, name, value):
        raise TypeError(f"{name} is frozen")


def by_attribute(x):
    return 1 if "cheap" in x.text else -1


def by_key(x):
    return 1 if "cheap" in x["text"] else -1


POINTS = {
    "frozen": (Frozen, by_attribute),
    "slots": (Slots, by_attribute),
    "strict": (Strict, by_attribute),
    "named tuple": (Named, by_attribute),
    "spark": (lambda text, likes: spark_row(text=text, likes=likes), by_attribute),
    "namespace": (lambda text, likes: SimpleNamespace(text=text, likes=likes), by_attribute),
    "proxy": (lambda text, likes: MappingProxyType({"text": text, "likes": likes}), by_key),
    "dict": (lambda text, likes: {"text": text, "likes": likes}, by_key),
    "series": (lambda text, likes: pd.Series({"text": text, "likes": likes}), by_key),
}


def terms(record):
    return [(f.term, f.kind, f.source, f.column) for f in record.features]


@pytest.mark.parametrize("kind", POINTS)
def test_points_of_every_kind_are_traced_and_probed(kind):
    make, function = POINTS[kind]
    points = [make(text, i) for i, text in enumerate(TEXTS)]
    found = inspect_lfs([LabelingFunction("lf", function)], points, progress_bar=False)
    assert found.votes.ravel().tolist() == VOTES
    assert terms(found.records[0]) == [
        ("cheap", "substring", "traced", "text"),
        ("cheap", "token", "probed", "text"),
    ]


def test_plain_tuples_are_read_by_position():
    rows = list(zip(TEXTS, range(12), strict=True))
    lf = LabelingFunction("lf", lambda x: 1 if "cheap" in x[0] else -1)
    found = inspect_lfs([lf], rows, text_column=0, progress_bar=False)
    assert {(f.term, f.source, f.column) for f in found.records[0].features} == {
        ("cheap", "traced", "0"),
        ("cheap", "probed", "0"),
    }


@pytest.mark.parametrize("name", [0, "name", "size", "index", "my text", ("text", "raw"), 3.5])
def test_columns_of_every_name_are_inspected(name):
    columns = pd.MultiIndex.from_tuples([name, ("meta", "n")]) if isinstance(name, tuple) else [name, 7]
    frame = pd.DataFrame([[text, i % 2] for i, text in enumerate(TEXTS)], columns=columns)
    lf = LabelingFunction("lf", lambda x: 1 if "cheap" in x[name] else -1)
    record = inspect_lfs([lf], frame, text_column=name, progress_bar=False).records[0]
    assert terms(record) == [
        ("cheap", "substring", "traced", str(name)),
        ("cheap", "token", "probed", str(name)),
    ]
    assert record.columns == (str(name),)
    space = BagOfWords(text_column=name).fit(frame)
    [entry] = space.map_feature(record.features[1]).entries
    assert space.feature_names[entry] == "cheap"
    again = BagOfWords.from_state(space.state())
    assert again.column == name
    assert again.map_feature(record.features[1]).entries == (entry,)


@pytest.mark.parametrize("columns", [["text", "text"], [0, "0"]])
def test_columns_that_cannot_be_told_apart_are_refused(columns):
    frame = pd.DataFrame([[text, text] for text in TEXTS], columns=columns)
    with pytest.raises(DataError, match=f"more than one column '{columns[1]}'.*Rename them"):
        inspect_lfs([LabelingFunction("lf", lambda x: 1)], frame, progress_bar=False)


COLLECTIONS = {
    "list": str.split,
    "tuple": lambda text: tuple(text.split()),
    "set": lambda text: set(text.split()),
    "frozenset": lambda text: frozenset(text.split()),
    "dict": lambda text: dict.fromkeys(text.split(), 1),
    "array": lambda text: np.array(text.split()),
    "objects": lambda text: np.array(text.split(), dtype=object),
}


@pytest.mark.parametrize("kind", COLLECTIONS)
@pytest.mark.parametrize("missing", [False, True])
def test_words_in_collections_are_found(kind, missing):
    tokens = [COLLECTIONS[kind](text) for text in TEXTS]
    if missing:
        tokens[3] = None
    frame = pd.DataFrame({"text": TEXTS, "tokens": pd.Series(tokens, dtype=object)})
    lf = LabelingFunction("lf", lambda x: 1 if x.tokens is not None and "cheap" in x.tokens else -1)
    record = inspect_lfs([lf], frame, progress_bar=False).records[0]
    found = {(f.term, f.label, f.kind, f.value, f.column) for f in record.features}
    assert found == {("cheap", 1, "token", 1.0, "tokens")}
    assert "probed" in {f.source for f in record.features}
    assert frame.tokens[0] is tokens[0]


def test_columns_that_cannot_be_probed_are_named():
    rows = {"text": TEXTS, "span": [(i % 3, 7) for i in range(12)], "when": pd.date_range("2020", periods=12)}
    frame = pd.DataFrame({**rows, "meta": [{0: i % 2} for i in range(12)]})
    lf = LabelingFunction("lf", lambda x: 1 if x.span[0] == 1 or (x.meta[0] and x.when.day > 3) else -1)
    record = inspect_lfs([lf], frame, progress_bar=False).records[0]
    notes = [note for note in record.notes if "not probed" in note]
    assert set(notes) == {
        "column 'span' not probed: it holds values of type tuple",
        "column 'meta' not probed: it holds values of type dict",
        "column 'when' not probed: it holds values of type Timestamp",
    }


def test_numbers_stored_as_texts_are_shifted_and_written_back():
    ages = [str(age) for age in range(8, 68)]
    frame = pd.DataFrame({"age": [*ages, None], "code": ["a", "b"] * 30 + ["a"]})
    seen = []

    def adult(x):
        seen.append(x.age)
        return -1 if x.age is None or pd.isna(x.age) else int(int(x.age) >= 38)

    [record] = probe_table([LabelingFunction("adult", adult)], frame)
    assert sorted((f.term, f.label, f.value > 0) for f in record.features) == [("age", 0, False), ("age", 1, True)]
    assert all(age is None or age.lstrip("-").isdigit() for age in seen if isinstance(age, str))
    assert not any("raised" in note for note in record.notes)


def test_missing_numbers_do_not_turn_a_column_around():
    likes = [np.nan if i == 2 else float(i) for i in range(12)]
    frame = pd.DataFrame({"text": TEXTS, "likes": likes})
    lf = LabelingFunction("lf", lambda x: 1 if x.likes > 6 else 0)
    record = inspect_lfs([lf], frame, progress_bar=False).records[0]
    traced = {(f.term, f.label): f.value for f in record.features if f.source == "traced"}
    assert traced == {("likes", 0): -1.0, ("likes", 1): 1.0}


def test_missing_categories_are_not_exchanged():
    frame = pd.DataFrame({"color": ["red", "blue", None] * 10})
    lf = LabelingFunction("lf", lambda x: 1 if x.color == "red" else 0)
    [record] = probe_table([lf], frame)
    assert {f.term for f in record.features} == {"color=red", "color=blue"}


def test_an_lf_that_looks_up_the_index_is_deterministic():
    frame = pd.DataFrame({"text": ["sunny day", "rainy day"] * 10}, index=range(100, 120))
    table = {100: 1, 102: 0, 104: 1, 106: 0, 101: 0, 103: 1, 108: 1, 110: 0}
    worker = LabelingFunction("worker", lambda x: table.get(x.name, -1))
    for data in (frame, frame.assign(other=0)):
        record = inspect_lfs([worker], data, progress_bar=False).records[0]
        assert record.features == ()
        assert "no single token decides 8 of 8 probed votes" in record.notes
        assert not any("not deterministic" in note for note in record.notes)


def test_parallel_probing_gives_the_record_of_serial_probing():
    @preprocessor(memoize=True)
    def counted(x):
        x.number = len(x.text.split())
        return x

    @labeling_function(pre=[counted])
    def two(x):
        return 1 if x.number == 2 else -1

    @labeling_function(pre=[counted])
    def nice(x):
        return 0 if "nice" in x.text and x.number else -1

    frame = pd.DataFrame({"text": TEXTS})
    serial = inspect_lfs([two, nice], frame, progress_bar=False)
    parallel = inspect_lfs([two, nice], frame, progress_bar=False, n_jobs=2)
    assert parallel.records == serial.records


def test_an_unfitted_feature_space_is_fitted_and_that_is_said(caplog):
    caplog.set_level(logging.INFO)
    space = BagOfWords()
    frame = pd.DataFrame({"text": TEXTS})
    found = inspect_lfs([LabelingFunction("lf", by_attribute)], frame, space, progress_bar=False)
    assert space.feature_names == ["cheap", "hello", "nice", "pills", "song"]
    assert ("cheap", "entry", "probed", "text") in terms(found.records[0])
    assert "The feature space was not fitted; it is now, on these 12 rows: BagOfWords(5 features)." in caplog.messages


def test_records_are_as_if_each_lf_had_rows_of_its_own():
    def spoils(x):
        x["text"] = "gone"
        return -1

    frame = pd.DataFrame({"text": TEXTS})
    lfs = [LabelingFunction("spoils", spoils), LabelingFunction("lf", by_attribute)]
    together = inspect_lfs(lfs, frame, progress_bar=False)
    alone = inspect_lfs(lfs[1:], frame, progress_bar=False)
    assert together.records[1] == alone.records[0]
    assert together.votes[:, 1].tolist() == VOTES
    assert frame.text.tolist() == TEXTS


def second_word(x):
    return 1 if x.text.split()[1] == "pills" else -1


def test_failures_are_named_or_counted(caplog):
    caplog.set_level(logging.INFO)
    frame = pd.DataFrame({"text": TEXTS})
    lf = LabelingFunction("second", second_word)
    with pytest.raises(LabelingFunctionError, match=r"'second' raised IndexError at row 2"):
        inspect_lfs([lf], frame, progress_bar=False)
    found = inspect_lfs([lf], frame, progress_bar=False, fault_tolerant=True)
    assert found.votes.ravel().tolist() == [1, -1, -1, -1] * 3
    assert {(f.term, f.source) for f in found.records[0].features} == {
        ("pills", "traced"),
        ("pills", "probed"),
        ("cheap", "probed"),
    }
    note = "failed on 6 of 12 rows, counted as abstentions (row 2: raised IndexError: list index out of range)"
    assert note in found.records[0].notes
    assert f"Labeling functions failed: 'second' {note}." in caplog.messages


def test_an_lf_that_hangs_on_a_changed_text_is_not_called_again():
    frame = pd.DataFrame({"text": ["a" * 40 + " b", "b c"] * 5})
    lf = LabelingFunction(
        "hangs", lambda x: 1 if re.search(r"^(a+)+( b)?$", x.text + "c" * (" b" not in x.text)) else -1
    )
    found = inspect_lfs([lf], frame, traced=False, progress_bar=False, max_call_seconds=0.3)
    assert any("not called any more: the call took longer than 0.3 seconds" in n for n in found.records[0].notes)


def test_a_rule_that_hangs_on_a_changed_text_is_not_called_again():
    lf = regex_lf("hangs", "^(a+)+( b|$)", label=1)
    frame = pd.DataFrame({"text": ["a" * 40 + " b c", "a b"] * 5})
    found = inspect_lfs([lf], frame, traced=False, progress_bar=False, max_call_seconds=0.3)
    assert any("not called any more" in note and "0.3 seconds" in note for note in found.records[0].notes)


def test_outside_of_the_main_thread_a_child_process_inspects():
    frame = pd.DataFrame({"text": TEXTS})
    lf = LabelingFunction("lf", by_attribute)
    found = []
    thread = threading.Thread(
        target=lambda: found.append(inspect_lfs([lf], frame, progress_bar=False, max_call_seconds=20.0))
    )
    thread.start()
    thread.join()
    here = inspect_lfs([lf], frame, progress_bar=False)
    assert found[0].records == here.records
    assert found[0].votes.tolist() == here.votes.tolist()


def test_budgets_count_all_calls_on_every_kind_of_column():
    calls = []

    def reads_all(x):
        calls.append(1)
        return 1 if "cheap" in x.text or "a" in x.tokens or x.likes > 3 else 0

    frame = pd.DataFrame({"text": TEXTS, "tokens": [["a", "b"], ["c"]] * 6, "likes": [float(i) for i in range(12)]})
    lf = LabelingFunction("lf", reads_all)
    votes = np.array([[lf(row)] for _, row in frame.iterrows()])
    for max_calls in (0, 1, 7, 50, 200):
        calls.clear()
        inspect_lfs([lf], frame, votes=votes, max_calls=max_calls, progress_bar=False)
        assert len(calls) <= max_calls


@pytest.mark.parametrize(
    "function",
    [
        lambda x: 1 if x.flag is True else -1,
        lambda x: 1 if x.maybe is True else -1,
        lambda x: 1 if type(x.number) is int and x.number > 5 else -1,
        lambda x: 1 if x.nothing is None else -1,
    ],
)
def test_rows_hold_the_values_that_the_applier_hands_over(function):
    number = [1, 9] * 6
    frame = pd.DataFrame({"text": TEXTS, "flag": [True, False] * 6, "number": number})
    frame["maybe"] = pd.array([True, None] * 6, dtype="boolean")
    frame["nothing"] = pd.Series([None, "a"] * 6, dtype=object)
    record = inspect_lfs([LabelingFunction("lf", function)], frame, progress_bar=False).records[0]
    assert not any("not deterministic" in note or "otherwise" in note for note in record.notes)


def test_texts_inside_of_dicts_are_traced():
    points = [{"text": "b", "meta": {"title": text, "stars": 3}} for text in TEXTS]
    lf = LabelingFunction("lf", lambda x: 1 if "cheap" in x["meta"]["title"] else -1)
    record = inspect_lfs([lf], points, progress_bar=False).records[0]
    assert terms(record) == [("cheap", "substring", "traced", "meta")]
    assert any(note.startswith("not probed: 'meta'") for note in record.notes)


def test_what_is_neither_text_nor_column_is_named():
    points = [SimpleNamespace(text="b", doc=SimpleNamespace(text=text)) for text in TEXTS]
    lf = LabelingFunction("lf", lambda x: 1 if "cheap" in x.doc.text else -1)
    record = inspect_lfs([lf], points, progress_bar=False).records[0]
    assert "not probed: 'doc', neither texts nor words nor columns of a frame" in record.notes


@pytest.mark.parametrize("name", [0, ("text", "raw")])
def test_rules_on_columns_of_every_name(name, tmp_path):
    columns = pd.MultiIndex.from_tuples([name]) if isinstance(name, tuple) else [name]
    frame = pd.DataFrame({"text": TEXTS}).set_axis(columns, axis=1)
    lf = keyword_lf("cheap", ["cheap"], label=1, text_column=name)
    found = inspect_lfs([lf], frame, text_column=name, progress_bar=False)
    assert found.votes.ravel().tolist() == VOTES
    assert {(f.term, f.source, f.column) for f in found.records[0].features} == {
        ("cheap", source, str(name)) for source in ("declared", "traced", "probed")
    }
    found.save(tmp_path / "records.json")
    assert found.load(tmp_path / "records.json").records == found.records
