import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from toy_images import ATTRIBUTES, CLASSES, UNSEEN, VALUES, toy_data, toy_matrix, toy_seen, write_awa, write_images

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.vision.awa import AttributeData, read_attribute_data, read_awa, read_features, read_image_folder
from lol_lightning.vision.images import CorruptImageWarning, ImageFiles, Standardise, decode
from lol_lightning.vision.seen_classes import SeenClasses


def check_toy(data, rows_per_class):
    assert data.matrix.classes == CLASSES
    assert data.matrix.attributes == ATTRIBUTES
    assert data.matrix.values.equal(VALUES.bool())
    assert data.is_seen.equal(toy_seen())
    assert torch.bincount(data.labels).tolist() == [rows_per_class] * len(CLASSES)


def test_awa_layout(tmp_path):
    data = read_attribute_data(write_awa(tmp_path), size=8)
    check_toy(data, 3)
    images, kept = data.inputs.read(torch.tensor([0, 17]))
    assert images.shape == (2, 3, 8, 8)
    assert images.dtype == torch.uint8
    assert kept.tolist() == [0, 1]
    assert data.inputs.paths[17].parent.name == "gnu"


def test_image_folder_with_a_matrix(tmp_path):
    lines = [",".join([name, *map(str, row)]) for name, row in zip(CLASSES, VALUES.tolist(), strict=True)]
    (tmp_path / "matrix.csv").write_text("\n".join(["class," + ",".join(ATTRIBUTES), *lines]))
    root = write_images(tmp_path / "images", rows_per_class=2)
    check_toy(read_image_folder(root, tmp_path / "matrix.csv", UNSEEN), 2)
    check_toy(read_attribute_data(root, tmp_path / "matrix.csv", UNSEEN, size=8), 2)


@pytest.mark.parametrize("kind", ["features", "images"])
def test_archive(tmp_path, kind):
    original = toy_data(rows_per_class=2)
    inputs = original.inputs.half().numpy() if kind == "features" else np.zeros((20, 4, 5, 3), np.uint8)
    arrays = {kind: inputs, "labels": original.labels.numpy(), "classes": CLASSES, "attributes": ATTRIBUTES}
    path = tmp_path / "toy.npz"
    test = np.arange(20) < 4
    np.savez(path, **arrays, class_attributes=VALUES.numpy(), seen_class=toy_seen().numpy(), test=test)
    data = read_attribute_data(path)
    check_toy(data, 2)
    assert data.inputs.shape == ((20, 8) if kind == "features" else (20, 3, 4, 5))
    assert data.inputs.dtype == (torch.float if kind == "features" else torch.uint8)
    assert data.test.sum() == 4


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("classes.txt", None, r"classes.txt is missing. An AwA directory holds"),
        ("predicates.txt", "1 flies\n2 furry\n", r"shape \(10, 4\), but there are 10 classes and 2 attributes"),
        ("predicate-matrix-binary.txt", "1 0\n0 x\n", "is not a matrix of 0 and 1"),
        ("predicate-matrix-binary.txt", "1 0\n0\n", "is not a matrix of 0 and 1"),
        ("trainclasses.txt", "bat\nowl\n", "no class 'owl'"),
        ("testclasses.txt", "bat\n", "'bat' stands in both"),
    ],
)
def test_broken_awa_directories_are_explained(tmp_path, name, content, message):
    write_awa(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read_awa(tmp_path)


def test_a_folder_that_is_no_class_is_named(tmp_path):
    root = write_awa(tmp_path)
    (root / "JPEGImages" / "owl").mkdir()
    with pytest.raises(DataError, match="no class 'owl'"):
        read_awa(root)


def test_hidden_names_are_passed_over(tmp_path):
    images = write_awa(tmp_path) / "JPEGImages"
    (images / ".ipynb_checkpoints").mkdir()
    (images / "bat" / "._bat_0000.png").write_text("macOS")
    check_toy(read_awa(tmp_path), 3)


def test_a_seen_class_without_images_is_not_seen(tmp_path, caplog):
    images = write_awa(tmp_path) / "JPEGImages"
    shutil.rmtree(images / "cat")
    for path in (images / "dog").iterdir():
        path.unlink()
    with caplog.at_level("INFO"):
        data = read_awa(tmp_path, size=8)
    assert "classes without images: ['cat', 'dog']" in caplog.text
    assert [name for name, seen in zip(CLASSES, data.is_seen, strict=True) if not seen] == ["cat", "dog", *UNSEEN]
    assert set(SeenClasses(data).data.labels.tolist()) == {0, 3, 4, 5, 6, 7, 8, 9}
    # A class of the task must have images.
    with pytest.raises(DataError, match="no images of 'cat'; give some, or name other classes"):
        data.rows_of(["bat", "cat"])


@pytest.mark.parametrize("dtype", [str, bytes])
def test_labels_in_an_archive_may_be_names(tmp_path, dtype):
    original = toy_data(rows_per_class=2)
    arrays = {"features": original.inputs.numpy(), "class_attributes": VALUES.numpy(), "seen_class": toy_seen().numpy()}
    names = {"classes": np.array(CLASSES, dtype), "attributes": np.array(ATTRIBUTES, dtype)}
    labels = np.array(CLASSES, dtype)[original.labels]
    np.savez(tmp_path / "toy.npz", **arrays, **names, labels=labels)
    data = read_features(tmp_path / "toy.npz")
    check_toy(data, 2)
    assert data.labels.equal(original.labels)
    labels[3] = "owl"
    np.savez(tmp_path / "toy.npz", **arrays, **names, labels=labels)
    with pytest.raises(DataError, match="no class 'owl'"):
        read_features(tmp_path / "toy.npz")
    np.savez(tmp_path / "toy.npz", **arrays, **names, labels=original.labels.numpy().astype("datetime64[s]"))
    with pytest.raises(DataError, match="is not an archive of features"):
        read_features(tmp_path / "toy.npz")


def test_nothing_to_read_is_named(tmp_path):
    with pytest.raises(DataError, match="neither a file nor a directory"):
        read_attribute_data(tmp_path / "nowhere")
    (tmp_path / "broken.npz").write_text("no archive")
    with pytest.raises(DataError, match=r"broken.npz is not an archive of features"):
        read_features(tmp_path / "broken.npz")
    np.savez(tmp_path / "partial.npz", features=np.zeros((2, 3)))
    with pytest.raises(DataError, match="class_attributes"):
        read_features(tmp_path / "partial.npz")


def test_labels_must_fit_the_matrix():
    features = torch.zeros(3, 2)
    with pytest.raises(DataError, match="row 1 has the label 10, but the class-attribute matrix has 10 classes"):
        AttributeData(features, torch.tensor([0, 10, 1]), toy_matrix(), toy_seen())
    with pytest.raises(DataError, match="one label for each input"):
        AttributeData(features, torch.tensor([0, 1]), toy_matrix(), toy_seen())
    with pytest.raises(DataError, match="seen has 5 entries"):
        AttributeData(features, torch.zeros(3), toy_matrix(), toy_seen()[:5])
    with pytest.raises(DataError, match="no images of 'gnu'"):
        AttributeData(features, torch.zeros(3), toy_matrix(), toy_seen()).rows_of(["bat", "gnu"])


def cut_short(path):
    path.write_bytes(path.read_bytes()[:60])


def no_image(path):
    path.write_text("not an image")


@pytest.mark.parametrize("spoil", [cut_short, no_image, lambda path: path.unlink()])
def test_a_corrupt_image_is_named_and_fatal_or_skipped_by_choice(tmp_path, spoil):
    paths = sorted(write_images(tmp_path, rows_per_class=1).rglob("*.png"))
    spoil(paths[1])
    index = torch.tensor([2, 1, 0])
    with pytest.raises(DataError, match=r"cat_0000.png cannot be decoded .*on_corrupt='skip'"):
        ImageFiles(paths, size=8).read(index)
    with pytest.warns(CorruptImageWarning, match=r"left out: the image .*cat_0000.png"):
        images, kept = ImageFiles(paths, size=8, on_corrupt="skip").read(index)
    assert kept.tolist() == [0, 2]
    assert images[1].equal(decode(paths[0], 8))


def test_images_are_brought_to_a_square_from_the_middle(tmp_path):
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = 200
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png", 10).eq(200).all()
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    assert decode(tmp_path / "grey.png", 4).shape == (3, 4, 4)


def test_standardise():
    images = torch.randint(255, (4, 3, 2, 2), dtype=torch.uint8)
    ours = Standardise((0.1, 0.2, 0.3), (0.5, 1.0, 2.0))(images)
    torch.testing.assert_close(ours[:, 1], images[:, 1] / 255 - 0.2)
    assert Standardise()(ours) is ours


def test_settings_out_of_range_are_refused():
    with pytest.raises(ConfigurationError, match="on_corrupt = 'ignore'"):
        ImageFiles([], on_corrupt="ignore")
