import pytest

from lol_lightning._files.digests import folder_digest
from lol_lightning.exceptions import DataError


def write(folder, **files):
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(content)
    return folder


def test_a_digest_is_of_names_and_contents_alone(tmp_path):
    one, two = write(tmp_path / "one", a="1", b="2"), write(tmp_path / "two", a="1", b="2")
    digest = folder_digest(one, [".json"])
    assert len(digest) == 32
    assert folder_digest(two, [".json"]) == digest
    (two / "notes.md").write_text("not looked at")
    write(two / ".cache", a="hidden")
    assert folder_digest(two, [".json"]) == digest
    for other in (
        write(tmp_path / "3", a="2", b="1"),
        write(tmp_path / "4", a="12", b=""),
        write(tmp_path / "5", a="1"),
    ):
        assert folder_digest(other, [".json"]) != digest
    write(two / "1_Pooling", a="3")
    assert folder_digest(two, [".json"]) != digest


def test_a_missing_folder_is_named_with_the_cure(tmp_path):
    with pytest.raises(DataError, match=r"missing is missing\. Take another one\."):
        folder_digest(tmp_path / "missing", [".json"], cure="Take another one.")
