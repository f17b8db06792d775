"""Rows of other libraries are read, or refused by name, wherever rows enter."""

import numpy as np
import pandas as pd
import pytest
from snorkel.labeling import LabelingFunction

from lol_lightning import BagOfWords, LoLDataModule, LoLLabelModel, inspect_lfs
from lol_lightning.exceptions import DataError
from lol_lightning.features import TableFeatures
from lol_lightning.inspection.probing import probe_lfs, probe_table
from lol_lightning.inspection.tracing import trace_lf, trace_lfs
from lol_lightning.lfs.apply import fast_apply
from lol_lightning.lfs.frames import as_frame
from lol_lightning.lfs.rows import as_rows, texts_of

COLUMNS = {"text": ["cheap pills", "nice song", "cheap song"], "label": [1, 0, 1], "tags": [["a"], [], ["b", "c"]]}
FRAME = pd.DataFrame(COLUMNS)
LFS = [
    LabelingFunction("cheap", lambda x: 1 if "cheap" in x.text else -1),
    LabelingFunction("song", lambda x: 0 if "song" in x.text else -1),
]
VOTES = [[1, -1], [-1, 0], [1, 0]]


def polars_frame():
    return pytest.importorskip("polars", reason="polars is not installed").DataFrame(COLUMNS)


def arrow_table():
    return pytest.importorskip("pyarrow", reason="pyarrow is not installed").table(COLUMNS)


def arrow_batch():
    return pytest.importorskip("pyarrow", reason="pyarrow is not installed").RecordBatch.from_pydict(COLUMNS)


def hugging_face():
    return pytest.importorskip("datasets", reason="datasets is not installed").Dataset.from_dict(COLUMNS)


def tensors_of_hugging_face():
    return hugging_face().with_format("torch")


def dask_frame():
    dask = pytest.importorskip("dask.dataframe", reason="Dask is not installed")
    return dask.from_pandas(FRAME[["text", "label"]], npartitions=2)


def lazy_polars():
    return polars_frame().lazy()


def stream_of_hugging_face():
    return hugging_face().to_iterable_dataset()


def splits_of_hugging_face():
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    return datasets.DatasetDict(train=hugging_face())


class OwnTable:
    """A table of a library that nobody here knows, whose iteration gives its column names."""

    columns = ("text", "label")

    def __len__(self):
        return 3

    def __iter__(self):
        return iter(self.columns)

    def __getitem__(self, name):
        return iter(COLUMNS[name])


READ = [polars_frame, arrow_table, arrow_batch, hugging_face, tensors_of_hugging_face, OwnTable]
REFUSED = {
    dask_frame: r"dask DataFrame.*data\.compute\(\)",
    lazy_polars: r"polars LazyFrame.*data\.collect\(\)",
    stream_of_hugging_face: r"datasets IterableDataset.*list\(\.\.\.\)",
    splits_of_hugging_face: r"datasets DatasetDict.*data\['train'\]",
}


def trained_classifier():
    model = LoLLabelModel(2, verbose=False)
    model.fit(VOTES, X=FRAME, n_epochs=1, progress_bar=False)
    return model


ENTRANCES = {
    "fast_apply": lambda rows: fast_apply(LFS, rows),
    "inspect_lfs": lambda rows: inspect_lfs(LFS, rows, progress_bar=False).votes,
    "trace_lf": lambda rows: trace_lf(LFS[0], rows).features,
    "trace_lfs": lambda rows: [record.features for record in trace_lfs(LFS, rows)],
    "probe_lfs": lambda rows: [record.features for record in probe_lfs(LFS, rows, min_support=1)],
    "data module": lambda rows: data_module(rows),
    "prediction rows": lambda rows: LoLDataModule(predict=rows, feature_space=BagOfWords().fit(FRAME)).num_rows(
        "predict"
    ),
    "label model": lambda rows: label_model(rows),
    "classifier": lambda rows: trained_classifier().classifier_.predict_proba(rows).round(4),
    "bag of words": lambda rows: BagOfWords().fit(rows).feature_names,
    "transform": lambda rows: BagOfWords().fit(FRAME).transform(rows).toarray(),
}


def rows_to_predict(rows):
    return LoLDataModule(predict=rows, feature_space=BagOfWords().fit(FRAME)).num_rows("predict")


def data_module(rows):
    data = LoLDataModule(rows, val=rows, lfs=LFS, progress_bar=False)
    data.setup("fit")
    return [data.train_votes.tolist(), data.val_labels.tolist(), data.feature_space.feature_names]


def label_model(rows):
    model = LoLLabelModel(2, verbose=False)
    model.fit(VOTES, X=rows, lfs=LFS, n_epochs=1, progress_bar=False)
    return model.predict_proba(None, X=rows).round(4)


@pytest.mark.parametrize("make", READ)
@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.filterwarnings("ignore:.*lfs have no gradient targets")
def test_tables_in_memory_are_read_as_pandas_are(entrance, make):
    np.testing.assert_equal(ENTRANCES[entrance](make()), ENTRANCES[entrance](FRAME))


@pytest.mark.parametrize("make", REFUSED)
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_tables_elsewhere_are_refused_by_name_with_the_cure(entrance, make):
    with pytest.raises(DataError, match=REFUSED[make]):
        ENTRANCES[entrance](make())


def test_tables_of_numbers():
    pl = pytest.importorskip("polars", reason="polars is not installed")
    table = {"age": [20.0, 40.0], "city": ["Oslo", "Rome"]}
    np.testing.assert_equal(
        TableFeatures().fit_transform(pl.DataFrame(table)), TableFeatures().fit_transform(pd.DataFrame(table))
    )
    adult = LabelingFunction("adult", lambda x: int(x.age > 18))
    ages = {"age": [float(age) for age in range(60)]}
    assert probe_table([adult], pl.DataFrame(ages)) == probe_table([adult], pd.DataFrame(ages))
    with pytest.raises(DataError, match=r"probe_table reads DataFrames, got list"):
        probe_table([adult], [1, 2])


def test_missing_values_and_lists_arrive_as_in_pandas():
    pl = pytest.importorskip("polars", reason="polars is not installed")
    frame = as_frame(pl.DataFrame({"text": ["a", None], "n": [1, None], "tags": [["x"], []]}))
    assert frame["text"].isna().tolist() == frame["n"].isna().tolist() == [False, True]
    assert frame["tags"].tolist() == [["x"], []]
    with pytest.raises(DataError, match="row 1 holds nan"):
        texts_of(frame, "text")


def test_columns_of_every_library_are_texts():
    texts = ["good", "bad"]
    columns = [
        texts,
        tuple(texts),
        np.array(texts),
        np.array(texts, object),
        pd.Series(texts, index=[7, 9]),
        pd.Index(texts),
    ]
    columns += [pd.Series(texts, dtype="category"), pd.Series(texts).array]
    for module, make in {"polars": "Series", "pyarrow": "array"}.items():
        try:
            columns.append(getattr(__import__(module), make)(texts))
        except ImportError:
            continue
    for column in columns:
        assert texts_of(column, "text") == texts
        assert as_rows(column, "body").columns.tolist() == ["body"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("one text", r"a single text, 'one text'; give a list: \[text\]"),
        ((text for text in ["a"]), r"a generator, which cannot .* list\(\.\.\.\)"),
        ({"a", "b"}, r"a set, .* list\(\.\.\.\)"),
        ({"text": ["a"]}, r"keys \['text'\].*pandas.DataFrame\(data\)"),
        ([b"a"], r"bytes, b'a', .* decode"),
        (np.array([["a"]]), r"array of the shape \(1, 1\)"),
        (np.eye(2), r"array of the shape \(2, 2\).*MatrixDataModule"),
        (3, "got int"),
        (None, "got NoneType"),
    ],
)
def test_what_are_no_rows(rows, message):
    with pytest.raises(DataError, match=message):
        as_rows(rows, "text")


def test_a_text_after_a_missing_one_is_still_a_text():
    with pytest.raises(DataError, match=r"row 0 holds None in 'text', not a text"):
        texts_of([None, "good"], "text")


def test_a_column_that_exists_twice_is_named():
    class Twice(OwnTable):
        columns = ("text", "text")

    with pytest.raises(DataError, match=r"OwnTable|Twice.*more than one column 'text'"):
        as_rows(Twice(), "text")


def test_a_structured_array_is_a_table():
    rows = np.rec.array([("good", 1), ("bad", 0)], dtype=[("text", "U9"), ("label", int)])
    assert as_rows(rows, "text").to_dict("list") == {"text": ["good", "bad"], "label": [1, 0]}
