import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import scipy.sparse as sp
import torch
from sklearn.feature_extraction.text import CountVectorizer
from snorkel.labeling import labeling_function
from toy import trainer_options

from lol_lightning import GradientPenalty, LoLClassifier, LoLDataModule, inspect_lfs, keyword_lf
from lol_lightning.exceptions import ConfigurationError, DataError, NotFittedError
from lol_lightning.features import (
    BagOfWords,
    ColumnFeatures,
    TableFeatures,
    TextEmbeddings,
    feature_space_from_state,
)
from lol_lightning.features.embeddings import BY_INSERTION
from lol_lightning.lfs.record import InspectedFeature

ROWS = pd.DataFrame(
    {
        "title": ["Awful phone", "Great buy", "Meh", "Great camera"] * 6,
        "body": ["it broke at once", "works nicely every day", "refund please it broke", "nicely made"] * 6,
        "stars": [1, 5, 2, 5] * 6,
        "author": ["ann", "bob", "cy", "dee"] * 6,
    }
)


def lengths(texts):
    return np.array([[len(text), text.count("o")] for text in texts], dtype=np.float32)


def embeddings(column):
    return TextEmbeddings(lengths, column, progress_bar=False)


def three_columns():
    return ColumnFeatures(
        {
            "title": BagOfWords(text_column="title"),
            "body": BagOfWords(text_column="body"),
            "table": TableFeatures(numeric=["stars"], categorical=["author"]),
        }
    )


@labeling_function()
def either(x):
    return 0 if "Awful" in x.title or "broke" in x.body else -1


@labeling_function()
def joined(x):
    return 1 if "great" in (x.title + " " + x.body).lower() else -1


@labeling_function()
def happy(x):
    return 1 if x.stars >= 4 and "nicely" in x["body"] else -1


@labeling_function()
def by_bob(x):
    return 1 if x.author == "bob" else -1


LFS = [either, joined, happy, by_bob, keyword_lf("praise", ["great"], label=1, text_column="title")]


def test_features_stand_side_by_side_in_the_order_of_the_parts():
    space = three_columns()
    features = space.fit_transform(ROWS)
    parts = [part.transform(ROWS) for part in space.parts.values()]
    assert sp.issparse(features)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features.toarray(), np.hstack([parts[0].toarray(), parts[1].toarray(), parts[2]]))
    np.testing.assert_array_equal(space.transform(ROWS).toarray(), features.toarray())
    assert space.num_features == features.shape[1] == len(space.feature_names)
    assert space.feature_names[0] == "title: awful"
    assert space.feature_names[-1] == "table: author=dee"
    for name in ("observed_frequency", "document_frequency", "feature_scale"):
        expected = torch.cat([getattr(part, name) for part in space.parts.values()])
        assert torch.equal(getattr(space, name), expected)
    assert space.text_columns == ["title", "body"]
    assert space.interpretable


def test_dense_parts_stay_dense_and_one_part_keeps_its_names():
    space = ColumnFeatures([("table", TableFeatures(numeric=["stars"])), ("meaning", embeddings("body"))])
    features = space.fit_transform(ROWS)
    assert isinstance(features, np.ndarray)
    assert (features.shape, features.dtype) == ((24, 3), np.float32)
    assert space.feature_names == ["table: stars", "meaning: embedding 0", "meaning: embedding 1"]
    assert ColumnFeatures({"only": BagOfWords()}).fit(["a song"]).feature_names == ["a", "song"]


def test_a_bag_and_an_embedding_of_one_text():
    space = ColumnFeatures({"words": BagOfWords(), "meaning": embeddings("text")})
    features = space.fit_transform(["a good song", "free"])
    assert space.text_columns == ["text"]
    assert space.interpretable
    np.testing.assert_allclose(features.toarray()[:, -2:], space.parts["meaning"].transform(["a good song", "free"]))
    match = space.map_feature(InspectedFeature("song", 0))
    assert [space.feature_names[entry] for entry in match.entries] == ["words: song"]
    assert space.map_feature(InspectedFeature("prize", 0)).remark == f"out of vocabulary; {BY_INSERTION}"
    assert space.map_feature(InspectedFeature("meaning: embedding 1", 0, "entry")) == ((), BY_INSERTION)
    assert not ColumnFeatures({"meaning": embeddings("text")}).interpretable


@pytest.mark.parametrize(
    ("feature", "names"),
    [
        (InspectedFeature("great", 1, column="title"), ["title: great"]),
        (InspectedFeature("great", 1, column="body"), []),
        (InspectedFeature("it", 1, "token"), ["body: it"]),
        (
            InspectedFeature("e", 1, "suffix"),
            ["title: phone", "body: broke", "body: made", "body: once", "body: please"],
        ),
        (InspectedFeature("stars", 1, "column", column="stars"), ["table: stars"]),
        (InspectedFeature("bob", 1, "token", column="author"), ["table: author=bob"]),
        (InspectedFeature("author=bob", 1, "column"), ["table: author=bob"]),
        (InspectedFeature("title: great", 1, "entry"), ["title: great"]),
        (InspectedFeature("broke", 1, "entry", column="body"), ["body: broke"]),
        (InspectedFeature("word", 1, column="comment"), []),
    ],
)
def test_a_finding_is_mapped_in_its_own_column(feature, names):
    space = three_columns().fit(ROWS)
    match = space.map_feature(feature)
    entries = [space.feature_names[entry] for entry in match.entries]
    assert entries == sorted(names, key=space.feature_names.index)
    assert ("mapped" in match.remark) == bool(names)


def test_a_phrase_is_looked_for_where_it_is_whole():
    pairs = CountVectorizer(ngram_range=(1, 2), binary=True)
    space = ColumnFeatures({"a": BagOfWords(text_column="title"), "b": BagOfWords(pairs, text_column="body")})
    rows = pd.DataFrame({"title": ["check out", "out"], "body": ["check out", "check"]})
    space.fit(rows)
    match = space.map_feature(InspectedFeature("check out", 1))
    assert [[space.feature_names[entry] for entry in part] for part in match.parts] == [["b: check out"]]
    split = ColumnFeatures({"a": BagOfWords(text_column="title"), "b": BagOfWords(text_column="body")}).fit(rows)
    match = split.map_feature(InspectedFeature("check it out", 1))
    names = [[split.feature_names[entry] for entry in part] for part in match.parts]
    assert names == [["a: check", "b: check"]]


def test_a_space_that_was_fitted_before_is_kept():
    bag = BagOfWords(text_column="title").fit(pd.DataFrame({"title": ["only word"]}))
    space = ColumnFeatures({"title": bag, "body": BagOfWords(text_column="body")})
    assert not space.is_fitted
    space.fit(ROWS)
    assert space.parts["title"].feature_names == ["only", "word"]
    space.fit(ROWS.assign(body="new"))
    assert space.feature_names == ["title: only", "title: word", "body: new"]


def test_words_that_lfs_inspect_join_the_vocabulary_of_their_column():
    inspected = [InspectedFeature("splendid", 1, column="title"), InspectedFeature("awesome", 1)]
    names = set(three_columns().fit(ROWS, inspected).feature_names)
    assert {"title: splendid", "title: awesome", "body: awesome"} <= names
    assert "body: splendid" not in names


def test_state_is_nested():
    space = ColumnFeatures({"words": three_columns(), "meaning": embeddings("title")}).fit(ROWS)
    again = feature_space_from_state(space.state())
    assert again.feature_names == space.feature_names
    again.parts["meaning"].use_encoder(lengths)
    again.parts["meaning"]._source.progress_bar = False
    np.testing.assert_array_equal(again.transform(ROWS).toarray(), space.transform(ROWS).toarray())
    again.parts["words"].fit(ROWS.assign(title="new"))
    assert "title: new" in again.parts["words"].feature_names, "what was learnt before is learnt again"
    state = space.state()
    for broken in ([["words"]], [[1, state["parts"][0][1]]], ["words"], [["words", {"class": "BagOfWords"}]]):
        with pytest.raises(DataError):
            feature_space_from_state(state | {"parts": broken})


def test_repr_is_one_line():
    assert repr(ColumnFeatures({"a": BagOfWords()})) == "ColumnFeatures(a: BagOfWords(not fitted), not fitted)"
    many = ColumnFeatures({f"column {i}": BagOfWords(text_column=f"c{i}") for i in range(50)})
    assert len(repr(many)) < 200


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "has no parts"),
        ([("a", BagOfWords()), ("a", TableFeatures())], "two parts of ColumnFeatures have the name 'a'"),
        ([BagOfWords()], "is no name with a feature space"),
        ({"a": CountVectorizer()}, "is no name with a feature space"),
    ],
)
def test_bad_parts(parts, message):
    with pytest.raises(ConfigurationError, match=message):
        ColumnFeatures(parts)


def test_bad_rows():
    space = three_columns()
    with pytest.raises(NotFittedError):
        space.transform(ROWS)
    with pytest.raises(DataError, match="no 'body'"):
        space.check_rows(ROWS.drop(columns="body"))
    for call in (space.fit, space.check_rows):
        with pytest.raises(DataError, match="plain texts, and these features are of the columns 'title', 'body'"):
            call(["one text", "another"])


@pytest.mark.parametrize("mode", ["traced", "all"])
def test_each_lf_has_targets_in_its_own_columns(mode):
    data = LoLDataModule(ROWS, lfs=LFS, feature_space=three_columns(), inspect=mode, progress_bar=False)
    data.setup("fit")
    names = data.feature_space.feature_names
    targets = data.gradient_targets
    by_lf = {lf.name: {names[j] for j in targets.feature[targets.lf == i].tolist()} for i, lf in enumerate(LFS)}
    assert by_lf["either"] == {"title: awful", "body: broke"}
    assert by_lf["joined"] == {"title: great", "body: great"}
    assert by_lf["happy"] == {"body: nicely", "table: stars"}
    assert by_lf["by_bob"] == {"table: author=bob"}
    assert by_lf["praise"] == {"title: great"}


def test_findings_name_the_right_column():
    inspection = inspect_lfs(LFS, ROWS, three_columns(), progress_bar=False)
    columns = {record.name: {(f.term.lower(), f.column) for f in record.features} for record in inspection.records}
    assert columns["either"] == {("awful", "title"), ("broke", "body")}
    assert columns["joined"] == {("great", "title"), ("great", "body")}
    assert columns["happy"] == {("nicely", "body"), ("stars", "stars")}
    assert columns["by_bob"] == {("bob", "author"), ("author=bob", "author")}
    probed = {f.kind for record in inspection.records for f in record.features if f.source == "probed"}
    assert probed == {"entry", "column"}, "the entries of the part that reads the column are taken away"


def test_surrogates_are_made_of_words_and_not_of_embeddings():
    space = ColumnFeatures({"words": BagOfWords(text_column="body"), "meaning": embeddings("body")})
    votes = np.where(ROWS.body.str.contains("broke"), 0, -1)[:, None]
    record = inspect_lfs(["crowd"], ROWS, space, votes=votes, progress_bar=False).records[0]
    assert {(f.kind, f.source) for f in record.features} == {("entry", "surrogate")}
    assert not [f for f in record.features if "embedding" in f.term]
    entries = [space.map_feature(f).entries for f in record.features]
    assert all(len(entry) == 1 for entry in entries)


def test_surrogates_of_several_columns_name_word_and_column():
    votes = np.where(ROWS.body.str.contains("broke"), 0, -1)[:, None]
    space = ColumnFeatures({"title": BagOfWords(text_column="title"), "body": BagOfWords(text_column="body")})
    record = inspect_lfs(["crowd"], ROWS, space, votes=votes, progress_bar=False).records[0]
    assert ("broke", "body") in {(f.term, f.column) for f in record.features}
    for feature in record.features:
        [entry] = space.map_feature(feature).entries
        assert space.feature_names[entry] == f"{feature.column}: {feature.term}"


def test_rows_of_other_libraries():
    expected = three_columns().fit_transform(ROWS).toarray()
    points = ROWS.to_dict("records")
    space = ColumnFeatures({"title": BagOfWords(text_column="title"), "body": BagOfWords(text_column="body")})
    np.testing.assert_array_equal(space.fit_transform(points).toarray(), expected[:, : space.num_features])

    class Table:
        """A table with names of columns and no attribute ``columns``, as data sets of Hugging Face have them."""

        column_names = tuple(ROWS)

        def __len__(self):
            return len(ROWS)

        def __getitem__(self, name):
            return ROWS[name].tolist()

    np.testing.assert_array_equal(three_columns().fit_transform(Table()).toarray(), expected)


@pytest.mark.parametrize("with_embeddings", [False, True])
def test_training_saving_and_predicting(tmp_path, with_embeddings):
    space = three_columns()
    if with_embeddings:
        space = ColumnFeatures({**space.parts, "meaning": embeddings("body")})
    labeled = ROWS.assign(label=[0, 1, 0, 1] * 6)
    data = LoLDataModule(ROWS, val=labeled, lfs=LFS, feature_space=space, progress_bar=False)
    model = LoLClassifier(penalty=GradientPenalty(alpha=1.0), class_shares=None)
    pl.seed_everything(0, verbose=False)
    trainer = pl.Trainer(**trainer_options(max_epochs=30))
    trainer.fit(model, data)
    assert trainer.callback_metrics["val_accuracy"] == 1
    path = tmp_path / "model.ckpt"
    trainer.save_checkpoint(path)
    again = LoLClassifier.load_from_checkpoint(path)
    if with_embeddings:
        with pytest.raises(ConfigurationError, match=r"space.use_encoder\(encoder\)"):
            again.predict_proba(ROWS)
        again.feature_space.parts["meaning"].use_encoder(lengths)
    np.testing.assert_allclose(again.predict_proba(ROWS), model.predict_proba(ROWS), rtol=1e-6)


def test_pre_tokenized_columns_are_read_as_texts_everywhere():
    rows = ROWS.assign(title=ROWS.title.str.split(), body=[tuple(body.split()) for body in ROWS.body])

    @labeling_function()
    def great(x):
        return 1 if "Great" in x.title else -1

    lfs = [great, keyword_lf("broken", ["broke"], label=0, text_column="body")]
    space = ColumnFeatures(
        {"title": BagOfWords(text_column="title"), "body": BagOfWords(text_column="body"), "m": embeddings("body")}
    )
    data = LoLDataModule(rows, lfs=lfs, feature_space=space, progress_bar=False, inspect="all")
    data.setup("fit")
    np.testing.assert_array_equal(data.dataset("train").votes[:, 1] == 0, ROWS.body.str.contains("broke"))
    names = space.feature_names
    assert {names[j] for j in data.gradient_targets.feature.tolist()} == {"title: great", "body: broke"}


def test_a_vectorizer_with_an_analyzer_of_its_own_gets_no_joined_words():
    space = BagOfWords(CountVectorizer(analyzer=lambda tokens: tokens))
    with pytest.raises(DataError, match="its words would be cut"):
        space.fit(pd.DataFrame({"text": [["a", "b"], ["c"]]}))


def test_weights_scale_parts_and_their_gradient_targets(tmp_path):
    rows = pd.DataFrame({"title": ["great buy", "meh"], "body": ["works", "it broke"]})
    parts = {"title": BagOfWords(text_column="title"), "body": BagOfWords(text_column="body")}
    plain, weighted = ColumnFeatures(parts), ColumnFeatures(parts, weights={"body": 0.25})
    first, second = plain.fit_transform(rows).toarray(), weighted.fit_transform(rows).toarray()
    assert np.array_equal(second[:, :3], first[:, :3])
    assert np.array_equal(second[:, 3:], 0.25 * first[:, 3:])
    assert weighted.feature_scale.tolist() == [1, 1, 1, 0.25, 0.25, 0.25]
    again = feature_space_from_state(weighted.state())
    assert np.array_equal(again.transform(rows).toarray(), second)


@pytest.mark.parametrize("weights", [{"title": 0}, {"title": float("nan")}, {"other": 1}])
def test_weights_of_no_part_or_no_number_are_refused(weights):
    with pytest.raises(ConfigurationError, match="weights"):
        ColumnFeatures({"title": BagOfWords(text_column="title")}, weights=weights)
