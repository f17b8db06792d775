import json

import numpy as np
import pytest
from jsonargparse import ArgumentParser

from lol_lightning.data import LoaderOptions, LoLDataModule, WrenchDataModule
from lol_lightning.data.wrench import read_wrench_lfs, read_wrench_split
from lol_lightning.exceptions import ConfigurationError, DataError, LoLError
from lol_lightning.lfs.apply import fast_apply

ROWS = {
    str(i): {"label": i % 2, "weak_labels": [i % 2, -1, -1 if i == 3 else 0], "data": {"text": f"word{i} song"}}
    for i in range(6)
}
LFS = [
    {"name": "song", "rules": [{"label": 0, "substring": ["song"]}]},
    {"name": "never", "rules": [{"label": 1, "substring": []}, {"label": 1, "token": ["word1"]}]},
    {"name": "model", "rules": None},
]


def write(directory, **changes):
    """Write a small WRENCH directory; ``None`` leaves a file out."""
    files = {"train": ROWS, "valid": ROWS, "test": ROWS, "label": {"0": "ham", "1": "spam"}, "lfs": LFS} | changes
    for name, content in files.items():
        if content is not None:
            text = content if isinstance(content, str) else json.dumps(content)
            (directory / f"{name}.json").write_text(text, encoding="utf-8")
    return directory


def changed(**row):
    return ROWS | {"2": ROWS["2"] | row}


def test_votes_come_from_the_file_and_records_from_the_rules(tmp_path):
    data = WrenchDataModule(write(tmp_path))
    data.setup()
    np.testing.assert_array_equal(data.train_votes, [row["weak_labels"] for row in ROWS.values()])
    assert data.lf_names == ["song", "never", "model"]
    assert [lf.name for lf in data.lfs] == ["song", "never"]
    assert [[f.term for f in record.features] for record in data.records] == [["song"], ["word1"], []]
    assert data.gradient_targets.lfs_without_features == [2]
    assert data.label_names == ["ham", "spam"]
    assert data.num_classes == 2
    np.testing.assert_array_equal(data.val_labels, [0, 1, 0, 1, 0, 1])
    assert len(next(iter(data.predict_dataloader()))) == 6


def test_without_lfs_json_there_are_votes_alone(tmp_path):
    data = WrenchDataModule(write(tmp_path, lfs=None))
    data.setup("fit")
    assert data.lf_names == ["lf_0", "lf_1", "lf_2"]
    assert len(data.gradient_targets) == 0


def test_max_train_rows_follows_the_seed(tmp_path):
    write(tmp_path, lfs=None)

    def texts(seed, rows=4):
        data = WrenchDataModule(tmp_path, max_train_rows=rows, seed=seed)
        data.setup("fit")
        return data.train_rows.text.tolist()

    assert texts(0) == texts(0)
    assert texts(0) != texts(1)
    assert len(texts(0)) == 4
    assert len(texts(0, rows=100)) == 6
    with pytest.raises(ConfigurationError, match="max_train_rows = 0"):
        WrenchDataModule(tmp_path, max_train_rows=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": None}, r"train\.json is missing"),
        ({"label": None}, r"label\.json is missing"),
        ({"valid": '{"0": {"label"'}, r"valid\.json is not JSON.*cut short"),
        ({"test": "[]"}, r"test\.json must hold an object with one entry per row, got list"),
        ({"train": "{}"}, "one entry per row"),
        ({"train": changed(weak_labels=[1])}, r"row '2' of .*train\.json has 1 weak labels and the first row 3"),
        ({"train": changed(weak_labels=None)}, r"row '2' of .*train\.json is broken"),
        ({"train": changed(weak_labels=3)}, r"row '2' of .*train\.json is broken"),
        ({"train": changed(data={})}, r"row '2' of .*train\.json is broken \(KeyError\('text'\)\)"),
        ({"train": ROWS | {"2": {"label": 1}}}, "row '2' of .* is broken"),
        ({"train": ROWS | {"2": 7}}, "row '2' of .* is broken"),
        ({"label": {"ham": 0}}, r"label\.json must name the classes"),
        ({"label": ["ham", "spam"]}, r"label\.json must name the classes"),
        ({"lfs": LFS[:2]}, r"lfs\.json describes 2 LFs, but train\.json has 3 votes per row"),
        ({"lfs": {"song": []}}, r"lfs\.json must hold a list with one entry per LF, got dict"),
        ({"lfs": [{"name": "x"}, *LFS[1:]]}, r"LF 0 of .*lfs\.json is broken: 'rules'"),
        ({"lfs": [{"name": "x", "rules": [{"label": 0, "sound": ["x"]}]}, *LFS[1:]]}, "LF 0 of .* is broken"),
    ],
)
def test_broken_directories_name_file_and_row(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        WrenchDataModule(write(tmp_path, **changes))


def test_missing_directory():
    with pytest.raises(DataError, match="no WRENCH directory 'nowhere'"):
        WrenchDataModule("nowhere")


@pytest.mark.parametrize(("label", "error"), [(2, "label of the val rows is 2"), ("eggs", r"among \['ham', 'spam'\]")])
def test_labels_that_do_not_fit(tmp_path, label, error):
    data = WrenchDataModule(write(tmp_path, valid=changed(label=label)))
    with pytest.raises(DataError, match=error):
        data.setup("fit")


def test_labels_may_be_names_of_classes(tmp_path):
    data = WrenchDataModule(write(tmp_path, valid=changed(label="spam")))
    data.setup("fit")
    np.testing.assert_array_equal(data.val_labels, [0, 1, 1, 1, 0, 1])


def test_seed_orders_the_rows_unless_the_loader_has_its_own(tmp_path):
    write(tmp_path)
    assert WrenchDataModule(tmp_path, seed=3).loader == LoaderOptions(seed=3)
    assert WrenchDataModule(tmp_path, seed=3, loader=LoaderOptions(num_workers=1)).loader.seed == 0


def test_votes_out_of_range(tmp_path):
    with pytest.raises(ValueError, match=r"vote -2 of labeling function 1 \('never'\) at row 2"):
        WrenchDataModule(write(tmp_path, train=changed(weak_labels=[0, -2, 0]))).setup("fit")


@pytest.mark.wrench
def test_youtube_keyword_link_maps_to_http_and_not_to_link(wrench_root):
    data = WrenchDataModule(wrench_root / "youtube")
    data.setup("fit")
    row = data.audit[data.audit.lf == "keyword_link"].iloc[0]
    assert row.entries
    assert all("http" in entry for entry in row.entries)
    lf = data.lf_names.index("keyword_link")
    features = data.gradient_targets.feature[data.gradient_targets.lf == lf].tolist()
    assert [data.feature_space.feature_names[j] for j in features] == row.entries
    assert "link" in data.feature_space.feature_names
    assert (data.num_dropped_rows, int((data.train_votes == -1).all(1).sum())) == (0, 195)


SETS = {"youtube": 2, "sms": 2, "chemprot": 10, "agnews_24k": 4, "yelp_7.6k": 2, "imdb": 2}


@pytest.mark.wrench
@pytest.mark.parametrize("name", SETS)
def test_real_sets_have_targets_for_every_lf_with_words(wrench_root, name):
    data = WrenchDataModule(wrench_root / name, max_train_rows=300)
    data.setup("fit")
    assert data.num_classes == SETS[name]
    bare = {data.lf_names[i] for i in data.gradient_targets.lfs_without_features}
    wordless = {record.name for record in data.records if not any(f.kind != "length" for f in record.features)}
    assert bare == wordless
    assert (data.gradient_targets.value.abs() <= 1).all()


@pytest.mark.wrench
@pytest.mark.parametrize("name", ["youtube", "chemprot"])
def test_rules_of_real_sets_give_the_votes_of_the_file(wrench_root, name):
    split = read_wrench_split(wrench_root / name / "train.json")
    names, lfs = read_wrench_lfs(wrench_root / name / "lfs.json")
    columns = [names.index(lf.name) for lf in lfs]
    np.testing.assert_array_equal(fast_apply(lfs, split.rows), split.votes[:, columns])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # newer jsonargparse calls it instantiate
def test_feature_space_and_vectorizer_by_class_path(tmp_path):
    parser = ArgumentParser()
    parser.add_subclass_arguments(LoLDataModule, "data")
    vectorizer = {"class_path": "sklearn.feature_extraction.text.TfidfVectorizer", "init_args": {"min_df": 2}}
    space = {"class_path": "lol_lightning.BagOfWords", "init_args": {"vectorizer": vectorizer}}
    options = {"root": str(write(tmp_path)), "feature_space": space}
    options |= {"inspect": {"mode": "declared", "sources": ["declared"], "top_k": 1}, "loader": {"num_workers": 1}}
    section = {"class_path": "lol_lightning.WrenchDataModule", "init_args": options}
    data = parser.instantiate_classes(parser.parse_object({"data": section})).data
    data.setup("fit")
    assert data.feature_space.feature_names == ["song", "word1"]
    assert data.loader == LoaderOptions(num_workers=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": {"0": "ham", "1": "ham"}}, "classes need distinct names"),
        ({"lfs": [{"name": ["x"], "rules": None}, *LFS[1:]]}, r"LF 0 of .*lfs\.json is broken: its name is \['x'\]"),
        ({"valid": changed(label=7)}, "label of the val rows is 7"),
    ],
)
def test_what_does_not_fit_names_the_directory(tmp_path, changes, message):
    with pytest.raises(LoLError, match=message) as caught:
        WrenchDataModule(write(tmp_path, **changes)).setup("fit")
    assert str(tmp_path) in str(caught.value)


def test_half_of_an_emoji_in_texts_words_and_names_is_no_reason_to_stop(tmp_path):
    half = "song \ud83d"
    train = ROWS | {"\ud83d": ROWS["2"] | {"data": {"text": half}}}
    lfs = [{"name": half, "rules": [{"label": 0, "substring": [half, "song"]}]}, *LFS[1:]]
    data = WrenchDataModule(write(tmp_path, train=train, lfs=lfs))
    data.setup("fit")
    assert data.train_rows.text.tolist()[-1] == half
    assert half in data.audit["lf"].tolist()
    assert data.num_rows("train") == len(ROWS) + 1
