import pytest
import torch
from toy_images import ATTRIBUTES, CLASSES, VALUES, toy_matrix

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.vision.attribute_task import AttributeTask
from lol_lightning.vision.matrices import ClassAttributeMatrix


@pytest.mark.parametrize(
    ("classes", "attributes", "values", "message"),
    [
        (CLASSES[:5], ATTRIBUTES, VALUES, r"shape \(10, 4\), but there are 5 classes and 4 attributes"),
        (CLASSES, ATTRIBUTES[:3], VALUES, "10 classes and 3 attributes"),
        (CLASSES, ATTRIBUTES, VALUES.float() * 0.5, "'bat' has 'flies' = 0.5"),
        ((*CLASSES[:9], "bat"), ATTRIBUTES, VALUES, "class 'bat' occurs more than once"),
        (CLASSES, (*ATTRIBUTES[:3], "flies"), VALUES, "attribute 'flies' occurs more than once"),
    ],
)
def test_a_matrix_that_does_not_fit_is_refused(classes, attributes, values, message):
    with pytest.raises(DataError, match=message):
        ClassAttributeMatrix(classes, attributes, values)


def read_csv(folder, text):
    (folder / "matrix.csv").write_text(text)
    return ClassAttributeMatrix.from_csv(folder / "matrix.csv")


def test_names_in_a_csv_are_taken_as_they_are_written(tmp_path):
    matrix = read_csv(tmp_path, "class,1,NA\n001,1,0\nnull,0,1\n1.50 , 1, 1\n")
    assert matrix.classes == ("001", "null", "1.50")
    assert matrix.attributes == ("1", "NA")
    assert matrix.values.int().tolist() == [[1, 0], [0, 1], [1, 1]]
    assert read_csv(tmp_path, "class,flies,swims\nbat,1,\neel,0,1\n").is_known.tolist() == [[True, False], [True, True]]
    # R's write.table names no column of classes.
    assert read_csv(tmp_path, "flies,swims\nbat,True,False\n").attributes == ("flies", "swims")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class,flies,swims,flies\nbat,1,0,1\n", "attribute 'flies' occurs more than once"),
        ("flies,flies\nbat,1,0\n", "attribute 'flies' occurs more than once"),
        ("class,flies\nbat,1\nbat,0\n", "class 'bat' occurs more than once"),
        ("class,flies,swims\nbat,1,0\neel,0\n", "line 3 has 2 cells and others have 3"),
        ("class,flies\n\nbat,1\neel,0\nowl,1\nfox,1\ngnu\n", "line 7 has 1 cells and others have 2"),
        ("class,flies\nbat,1\neel,0,1\nowl,1\n", "not a class-attribute matrix: .*3"),
        ("class;flies\nbat;1\n", "no attributes in its header; separate them by commas"),
        ("", "not a class-attribute matrix"),
    ],
)
def test_a_csv_that_is_no_matrix_is_explained(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_csv(tmp_path, text)


def test_csv(tmp_path):
    path = tmp_path / "matrix.csv"
    path.write_text("class,flies,swims\nbat,1,0\neel,0,1\n")
    matrix = ClassAttributeMatrix.from_csv(path)
    assert matrix.classes == ("bat", "eel")
    assert matrix.of("eel").tolist() == [False, True]
    path.write_text("class,flies\nbat,yes\n")
    with pytest.raises(DataError, match="not a class-attribute matrix"):
        ClassAttributeMatrix.from_csv(path)
    with pytest.raises(DataError, match="nowhere"):
        ClassAttributeMatrix.from_csv(tmp_path / "nowhere.csv")


def test_what_is_unknown_is_learned_from_no_class_and_tells_none_apart():
    values = VALUES.float()
    values[CLASSES.index("bat"), 0] = torch.nan
    matrix = ClassAttributeMatrix(CLASSES, ATTRIBUTES, values)
    assert matrix.values.dtype == torch.bool
    assert (~matrix.is_known).nonzero().tolist() == [[0, 0]]
    torch.testing.assert_close(matrix.targets, values, equal_nan=True)
    assert matrix.of("bat").tolist() == [False, True, False, False]
    assert AttributeTask.between(matrix, ["bat", "eel"]).attributes == ("furry", "swims")
    # The matrix says it of these classes; only of bats it does not.
    assert AttributeTask.between(matrix, ["cat", "fox"]).attributes == ("flies", "furry", "big")
    one = ClassAttributeMatrix(("a", "b"), ("x", "y"), torch.tensor([[torch.nan, 1], [1, 1]]))
    with pytest.raises(ConfigurationError, match=r"same attributes.*; 1 attributes are not known for all of them"):
        AttributeTask.between(one, ["a", "b"])


def test_a_matrix_without_unknown_entries_knows_all():
    matrix = toy_matrix()
    assert matrix.is_known.all()
    assert matrix.targets.equal(VALUES.float())
