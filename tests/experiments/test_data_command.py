"""The command that writes generated comments: the same set again, and never over another one."""

import json

import pytest

from lol_lightning.exceptions import DataError
from lol_lightning.experiments.data_command import data, write_comments


def test_the_same_set_may_be_written_again(tmp_path, capsys):
    data(str(tmp_path / "comments"), rows=20)
    first = (tmp_path / "comments" / "train.json").read_text()
    data(str(tmp_path / "comments"), rows=20)
    assert (tmp_path / "comments" / "train.json").read_text() == first
    assert capsys.readouterr().out.count("20 training rows, 200 for validation") == 2


def test_another_set_is_not_written_over(tmp_path):
    write_comments(tmp_path, rows=5)
    (tmp_path / "label.json").write_text(json.dumps({"0": "no", "1": "yes"}))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(DataError, match=r"holds another data set \(label.json differs\)"):
        write_comments(tmp_path, rows=5)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_set_without_rules_is_not_written_over(tmp_path):
    (tmp_path / "train.json").write_text("{}")
    with pytest.raises(DataError, match=r"train.json without lfs.json"):
        write_comments(tmp_path, rows=5)
