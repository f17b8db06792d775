import json
import re

import numpy as np
import pandas as pd
import pytest
from snorkel.labeling import LabelingFunction, LFAnalysis, PandasLFApplier, labeling_function

from lol_lightning.exceptions import DataError, LabelingFunctionError, VotesError
from lol_lightning.features.bag_of_words import BagOfWords
from lol_lightning.inspection import LFInspection, inspect_lfs
from lol_lightning.lfs.adapter import GradientLabelingFunction
from lol_lightning.lfs.record import InspectedFeature, LFRecord
from lol_lightning.lfs.rules.rules import keyword_lf

TEXTS = [
    "subscribe to my channel",
    "see http://a.b and subscribe",
    "nice song",
    "HTTP://c.d",
    "what a song, subscribe",
    "the song of the year",
    "hello world",
    "so nice",
] * 3
DATA = pd.DataFrame({"text": TEXTS})


@labeling_function()
def subscribes(x):
    return 1 if "subscribe" in x.text.lower() else -1


@labeling_function()
def links(x):
    return 1 if re.search("http", x.text, flags=re.I) else -1


@labeling_function()
def is_music(x):
    return 0 if "song" in x.text else -1


@labeling_function()
def shouts(x):
    return 1 if "song" in x.text.lower() and "subscribe" in x.text.lower() else -1


def inspect(lfs, data=DATA, **settings):
    return inspect_lfs(lfs, data, progress_bar=False, **settings)


def terms(record, source):
    return {(f.term, f.label) for f in record.features if f.source == source}


def test_declared_traced_and_probed_findings_are_merged():
    lf = keyword_lf("declared", ["subscribe"], 1)
    inspection = inspect([lf, subscribes])
    for record, sources in zip(
        inspection.records, (["declared", "traced", "probed"], ["traced", "probed"]), strict=True
    ):
        assert {f.source for f in record.features} == set(sources)
        for source in sources:
            assert terms(record, source) == {("subscribe", 1)}


def test_sources_can_be_switched_off():
    lf = keyword_lf("declared", ["subscribe"], 1)
    for source in ("declared", "traced", "probed"):
        [record] = inspect([lf], **{source: False}).records
        assert source not in {f.source for f in record.features}
        assert len({f.source for f in record.features}) == 2


def test_the_summary_is_snorkels_with_what_is_inspected():
    lfs = [subscribes, links, is_music, shouts]
    inspection = inspect(lfs)
    summary = inspection.summary()
    votes = PandasLFApplier(lfs).apply(DATA, progress_bar=False)
    snorkels = LFAnalysis(votes.astype(float), lfs).lf_summary()
    np.testing.assert_array_equal(inspection.votes, votes)
    numbers = ["j", "Coverage", "Overlaps", "Conflicts"]
    pd.testing.assert_frame_equal(summary[numbers], snorkels[numbers])
    assert summary.columns[:5].tolist() == snorkels.columns.tolist()
    assert summary.Polarity.tolist() == [[1], [1], [0], [1]]
    assert summary.Inspected["links"] == "http 1.00"
    assert summary.Sources["links"] == "probed, traced"
    assert summary.Agreement["links"] == 1.0
    assert summary["Opposed by"].to_dict() == {
        "subscribes": "",
        "links": "",
        "is_music": "shouts",
        "shouts": "is_music",
    }


def test_a_wrong_list_shows_in_the_agreement():
    lf = GradientLabelingFunction.wrap(links, features={1: ["link"]})
    assert inspect([lf]).summary().Agreement["links"] == 0.0


def test_opposed_demands_are_listed():
    [row] = inspect([is_music, shouts]).opposed().itertuples()
    assert (row.feature, row.lf, row.label, row.other_lf, row.other_label) == ("song", "is_music", 0, "shouts", 1)


def test_an_inspection_saves_and_loads(tmp_path):
    inspection = inspect([subscribes, keyword_lf("Füße", ["füße"], 2)])
    inspection.save(tmp_path / "inspection.json")
    loaded = LFInspection.load(tmp_path / "inspection.json")
    assert loaded.records == inspection.records
    np.testing.assert_array_equal(loaded.votes, inspection.votes)
    pd.testing.assert_frame_equal(loaded.summary(), inspection.summary())


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "inspection.json"
    inspection = inspect([subscribes])
    inspection.save(path)
    before = path.read_bytes()
    broken = LFInspection([LFRecord("lf", notes=(object(),))], inspection.votes)
    with pytest.raises(DataError, match="cannot be written"):
        broken.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


FEATURE = InspectedFeature("win", 1)
VALID = {"num_rows": 2, "lfs": [LFRecord("lf", (FEATURE,)).to_dict()], "votes": [{"rows": [1], "votes": [0]}]}


def changed(**changes):
    return json.loads(json.dumps(VALID)) | changes


def changed_lf(**changes):
    return changed(lfs=[VALID["lfs"][0] | changes])


def changed_feature(**changes):
    return changed_lf(features=[VALID["lfs"][0]["features"][0] | changes])


def test_the_valid_file_is_valid(tmp_path):
    path = tmp_path / "valid.json"
    path.write_text(json.dumps(VALID))
    loaded = LFInspection.load(path)
    assert loaded.votes.tolist() == [[-1], [0]]
    assert loaded.records == [LFRecord("lf", (FEATURE,))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "is not an inspection"),
        ([], "is a list, not a mapping"),
        ({"num_rows": 2}, "lacks 'lfs'"),
        (changed(more=1), "has 'more', which is not expected"),
        (changed(num_rows=10**15), "rows of 1 LFs are not from 0 to"),
        (changed(num_rows=-1), "rows of 1 LFs are not from 0 to"),
        (changed(num_rows=True), "num_rows = True"),
        (changed(lfs=VALID["lfs"] * 2, votes=VALID["votes"] * 2), "two labeling functions are named 'lf'"),
        (changed(votes=[]), "votes of 0 LFs, and 1 LFs"),
        (changed(votes=[{"rows": [2], "votes": [0]}]), "do not ascend from 0 to below 2"),
        (changed(votes=[{"rows": [-1], "votes": [0]}]), "do not ascend from 0 to below 2"),
        (changed(votes=[{"rows": [1, 1], "votes": [0, 1]}]), "do not ascend from 0 to below 2"),
        (changed(votes=[{"rows": [0, 1], "votes": [0]}]), "have 2 rows and 1 votes"),
        (changed(votes=[{"rows": [0], "votes": [-1]}]), "hold -1, which is no class"),
        (changed(votes=[{"rows": [0], "votes": [0.5]}]), "0.5 at position 0, not int"),
        (changed(votes=[{"rows": [0], "votes": [10**30]}]), "is not an inspection"),
        (changed_lf(notes="note"), "notes = 'note', not list"),
        (changed_lf(columns=[1]), "1 at position 0, not str"),
        (changed_feature(term=""), "non-empty text"),
        (changed_feature(value=2), "outside"),
        (changed_feature(value="1"), "value = '1'"),
        (changed_feature(source="guessed"), "source 'guessed'"),
        (changed_feature(kind=3), "kind = 3, not str"),
        (changed_feature(weight=1), "has 'weight', which is not expected"),
        (json.dumps(VALID).replace("1.0", "NaN"), "NaN"),
    ],
)
def test_a_broken_file_is_named(tmp_path, content, message):
    path = tmp_path / "broken.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(DataError, match=message) as caught:
        LFInspection.load(path)
    assert str(path) in str(caught.value)
    assert "LFInspection.save" in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.json"):
        LFInspection.load(tmp_path / "none.json")


def test_lfs_that_declare_something_can_be_left_alone():
    declared = keyword_lf("declared", ["subscribe"], 1)
    records = inspect([declared, subscribes], skip_declared=True).records
    assert records[0] == declared.record
    assert {f.source for f in records[1].features} == {"traced", "probed"}


def test_one_line_says_what_is_on_record_and_what_to_do():
    inspection = inspect([keyword_lf("declared", ["subscribe"], 1), subscribes, shouts], probed=False)
    assert inspection.describe() == "3 of 3 LFs have inspected features (1 declared, 2 traced; 4 terms)."
    bare = LFInspection([LFRecord(f"lf{i}") for i in range(10)], np.zeros((1, 10), int))
    assert bare.describe().startswith("0 of 10 LFs have inspected features. None for 'lf0', 'lf1'")
    assert "'lf7' and 2 more: declare them with features={label: [words]}" in bare.describe()
    assert repr(bare).startswith("LFInspection of 10 LFs on 1 rows: 0 of 10")
    assert "lf9" in bare._repr_html_()


def test_votes_without_code_get_a_surrogate():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"text": [" ".join(rng.choice(list("abcdefgh"), 3)) for _ in range(300)]})
    votes = np.where(data.text.str.contains("a"), 1, -1)
    both = np.stack([PandasLFApplier([subscribes]).apply(data, progress_bar=False)[:, 0], votes], 1)
    inspection = inspect([subscribes, "unknown"], data, votes=both)
    assert [record.name for record in inspection.records] == ["subscribes", "unknown"]
    assert terms(inspection.records[1], "surrogate") >= {("a", 1)}
    assert inspect([subscribes, "unknown"], data, votes=both, surrogate=False).records[1].features == ()


def test_findings_become_gradient_targets():
    space = BagOfWords().fit(DATA)
    inspection = inspect([subscribes, is_music], feature_space=space)
    targets, audit = inspection.gradient_targets(space, num_classes=2, sources=["probed"])
    names = [space.feature_names[j] for j in targets.feature.tolist()]
    assert sorted(zip(targets.lf.tolist(), targets.cls.tolist(), names, targets.value.tolist(), strict=True)) == [
        (0, 1, "subscribe", 1.0),
        (1, 0, "song", 1.0),
    ]
    assert audit.source.tolist() == ["probed", "probed"]
    assert set(inspection.audit(space, 2).source) == {"traced", "probed"}


def test_the_rows_that_were_inspected_tell_how_often_a_word_brings_the_vote():
    lf = LabelingFunction("start", lambda x: 1 if x.text.startswith("check") else -1)
    texts = ["check this", "please check", "my check", "a song"] * 5
    inspection = inspect_lfs(lf, texts, probed=False, progress_bar=False)
    space = BagOfWords()
    features = space.fit_transform(texts)
    assert inspection.gradient_targets(space, 2)[0].value.tolist() == [1.0]
    targets, audit = inspection.gradient_targets(space, 2, features=features)
    assert 0.3 < targets.value.item() < 0.45
    assert audit.equals(inspection.audit(space, 2, features))
    assert (audit.rows[0], audit.vote_rate[0]) == (15, pytest.approx(targets.value.item()))


def test_table_columns_that_an_lf_reads_are_probed():
    rng = np.random.default_rng(0)
    data = pd.DataFrame(
        {"text": rng.choice(TEXTS, 120), "age": rng.normal(40, 10, 120), "label": rng.integers(0, 2, 120)}
    )
    lf = LabelingFunction("old", lambda x: 1 if x.age > 40 else -1)
    inspection = inspect([lf, is_music], data, table_settings={"num_pairs": 16})
    assert terms(inspection.records[0], "probed") == {("age", 1)}
    assert terms(inspection.records[1], "probed") == {("song", 0)}


def test_a_table_without_text_is_probed():
    data = pd.DataFrame({"age": np.linspace(10, 70, 100), "city": ["Oslo", "Rome"] * 50})
    lf = LabelingFunction("oslo", lambda x: 0 if x.city == "Oslo" else -1)
    assert ("city=Oslo", 0) in terms(inspect([lf], data).records[0], "probed")


def test_missing_or_wrong_votes_are_named():
    with pytest.raises(VotesError, match="'unknown' is a name without code"):
        inspect([subscribes, "unknown"])
    with pytest.raises(VotesError, match=r"\(2, 1\) do not fit 24 rows and 1 LFs"):
        inspect([subscribes], votes=np.zeros((2, 1), int))
    with pytest.raises(LabelingFunctionError, match="two labeling functions are named 'subscribes'"):
        inspect([subscribes, subscribes])


def test_records_made_by_hand_can_be_summed_up():
    record = LFRecord("lf", tuple(InspectedFeature(f"w{i}", i % 2) for i in range(7)), notes=("a note",))
    [row] = LFInspection([record], np.array([[0], [1]])).summary(max_terms=2).itertuples()
    assert row.Inspected == "w0 1.00 [0], w1 1.00 [1] (+5)"
    assert row.Notes == "a note"


@pytest.mark.wrench
def test_the_words_of_real_plain_lfs_are_found(wrench_root):
    rows = list(json.loads((wrench_root / "youtube" / "train.json").read_text()).values())
    data = pd.DataFrame({"text": [row["data"]["text"] for row in rows]})
    expected = {
        "keyword_my": (lambda x: 1 if "my" in x.text.lower() else -1, {"my"}),
        "keyword_subscribe": (lambda x: 1 if "subscribe" in x.text.lower() else -1, {"subscribe"}),
        "keyword_link": (lambda x: 1 if "http" in x.text.lower() else -1, {"http"}),
        "keyword_please": (
            lambda x: 1 if any(w in x.text.lower() for w in ("please", "plz")) else -1,
            {"please", "plz"},
        ),
        "keyword_song": (lambda x: 0 if "song" in x.text.lower() else -1, {"song"}),
        "regex_check_out": (lambda x: 1 if re.search("check.*out", x.text, re.I) else -1, {"check", "out"}),
        "short_comment": (lambda x: 0 if len(x.text.split()) < 5 else -1, set()),
    }
    lfs = [LabelingFunction(name, f) for name, (f, _) in expected.items()]
    inspection = inspect(lfs, data)
    np.testing.assert_array_equal(inspection.votes, np.array([row["weak_labels"][:7] for row in rows]))
    for record, (_, words) in zip(inspection.records, expected.values(), strict=True):
        assert words <= {f.term for f in record.features if f.source == "probed"}
        assert words <= {f.term for f in record.features if f.source == "traced"}
    assert [f.kind for f in inspection.records[-1].features] == ["length"]
    assert inspection.summary().Agreement[:6].tolist() == [1.0] * 6


def test_text_in_another_column_is_named_and_not_taken_for_categories():
    @labeling_function()
    def song(x):
        return 1 if "song" in x.comment else -1

    data = pd.DataFrame({"comment": ["nice song", "a bad day", "my song rocks", "so it goes"] * 5})
    record = inspect_lfs([song], data, traced=False, probed=True, progress_bar=False).records[0]
    assert record.features == ()
    found = inspect_lfs([song], data, progress_bar=False)
    assert any("comment holds text; pass text_column=" in note for note in found.records[0].notes)
    assert {feature.source for feature in found.records[0].features} == {"traced"}
