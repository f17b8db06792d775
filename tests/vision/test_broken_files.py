"""Whatever happens to a file, its reader says what is wrong or returns something that holds together."""

import io

import numpy as np
import pytest
import torch
from broken_files import FUZZ, broken, broken_members
from hypothesis import given
from hypothesis import strategies as st
from toy_images import ATTRIBUTES, CLASSES, VALUES, perfect_labelers, toy_data, toy_seen, write_awa

from lol_lightning.exceptions import DataError
from lol_lightning.vision.awa import read_awa, read_features
from lol_lightning.vision.labeler_training import LabelerTraining
from lol_lightning.vision.matrices import ClassAttributeMatrix

TEXTS = ("classes.txt", "predicates.txt", "predicate-matrix-binary.txt", "trainclasses.txt", "testclasses.txt")


def npz_of(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("files") / "file"


def check(data):
    assert len(data.inputs) == len(data.labels)
    assert data.matrix.values.shape == (len(data.matrix.classes), len(data.matrix.attributes))
    assert len(data.is_seen) == len(data.matrix.classes)
    assert not len(data.labels) or 0 <= data.labels.min() <= data.labels.max() < len(data.matrix.classes)


TOY = toy_data(rows_per_class=2)
FEATURES = npz_of(
    features=TOY.inputs.numpy(),
    labels=np.array(CLASSES)[TOY.labels],
    classes=CLASSES,
    attributes=ATTRIBUTES,
    class_attributes=VALUES.float().numpy(),
    seen_class=toy_seen().numpy(),
    test=np.arange(20) < 4,
)


@FUZZ
@given(content=broken(FEATURES) | broken_members(FEATURES))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_features(path, content):
    path.write_bytes(content)
    try:
        data = read_features(path)
    except DataError as error:
        return None if str(path) in str(error) else pytest.fail(f"{error} does not name the file")
    check(data)
    assert not data.inputs.is_floating_point() or data.inputs.isfinite().all()
    return None


@FUZZ
@given(data=st.data())
def test_awa(tmp_path_factory, data):
    root = tmp_path_factory.getbasetemp() / "awa"
    if not root.exists():
        write_awa(root, rows_per_class=1)
    name = data.draw(st.sampled_from(TEXTS))
    content = (root / name).read_bytes()
    (root / name).write_bytes(data.draw(broken(content)))
    try:
        check(read_awa(root))
    except DataError:
        pass
    finally:
        (root / name).write_bytes(content)


@FUZZ
@given(content=broken(b'class,flies,swims\nbat,1,0\neel,0,1\n"owl, snowy",1,\n'))
def test_class_attribute_matrix(path, content):
    path.write_bytes(content)
    try:
        matrix = ClassAttributeMatrix.from_csv(path)
    except DataError as error:
        return None if str(path) in str(error) else pytest.fail(f"{error} does not name the file")
    assert matrix.values.shape == (len(matrix.classes), len(matrix.attributes))
    return None


def trained_labelers(path):
    training = LabelerTraining(path=path, epochs=1)
    return training.trained(training.untrained(TOY, torch.Tensor.float), TOY, [], torch.Tensor.float)


@pytest.fixture(scope="module")
def labelers(tmp_path_factory):
    """The bytes of a file of trained labelers."""
    path = tmp_path_factory.mktemp("labelers") / "labelers.pt"
    trained_labelers(path)
    return path.read_bytes()


@FUZZ
@given(data=st.data())
def test_labelers(labelers, path, data):
    path.write_bytes(data.draw(broken(labelers) | broken_members(labelers)))
    try:
        read = trained_labelers(path)
    except DataError as error:
        return None if str(path) in str(error) else pytest.fail(f"{error} does not name the file")
    assert read.heads.weight.isfinite().all()
    assert read.attributes == ATTRIBUTES
    return None


@pytest.mark.parametrize("content", [{}, {"settings": {}, "state": {}}, {"state": perfect_labelers().state_dict()}])
def test_other_files_than_labelers(path, content):
    torch.save(content, path)
    with pytest.raises(DataError, match=r"file is not a file of labelers that a LoLImageDataModule wrote: it"):
        trained_labelers(path)
