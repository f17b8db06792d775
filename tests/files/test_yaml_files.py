import pytest

from lol_lightning._files.yaml_files import read_yaml
from lol_lightning.exceptions import DataError


def test_plain_yaml_is_read(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: &x [1, 2.5, null]\nb: {c: *x}\n")
    assert read_yaml(path) == {"a": [1, 2.5, None], "b": {"c": [1, 2.5, None]}}


LAUGHS = "a0: &a0 [ha]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: " + "[" * 5000 + "]" * 5000, "it is nested more than 100 levels deep"),
        (LAUGHS, r"its references stand for \d+ values"),
        ("a: &a [*a]", "a reference in it leads to itself"),
        ("a: [1", "while parsing a flow sequence"),
        ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("\x00", "is not a YAML file"),
    ],
)
def test_what_is_no_plain_yaml_is_named(tmp_path, text, message):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"a\.yaml is not a YAML file: .*{message}|{message}"):
        read_yaml(path)
    with pytest.raises(DataError, match=r"b\.yaml is missing"):
        read_yaml(tmp_path / "b.yaml")
