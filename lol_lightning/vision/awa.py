"""Readers of images with attributes: the layout of Animals with Attributes, image folders, and features in an npz."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from lol_lightning._files.arrays import read_arrays
from lol_lightning._files.disk import building, read_text, reading
from lol_lightning._lightning import rank_zero_info
from lol_lightning.exceptions import DataError
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.vision.images import SIZE, ImageFiles, Inputs, OnCorrupt
from lol_lightning.vision.matrices import ClassAttributeMatrix

__all__ = ["AttributeData", "read_attribute_data", "read_awa", "read_features", "read_image_folder"]

_AWA = (
    "An AwA directory holds classes.txt, predicates.txt, predicate-matrix-binary.txt, trainclasses.txt, "
    "testclasses.txt and JPEGImages; for other image folders, give matrix=."
)

# Kinds of dtype that each array may have.
_REQUIRED = {
    "labels": "iuSU",
    "classes": "iuSU",
    "attributes": "iuSU",
    "class_attributes": "biuf",
    "seen_class": "biu",
}
_OPTIONAL = {"features": "fiu", "images": "fiu", "test": "biu"}

_IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm"}


@dataclass(eq=False)
class AttributeData:
    """Images or features of classes, and the attributes of the classes.

    Args:
        inputs: features float (n, r), images uint8 or float (n, C, H, W), or ``ImageFiles``.
        labels: int64 (n,), classes of the matrix.
        matrix: which of C classes has which attribute.
        is_seen: bool (C,), the classes on which labelers are trained; these then tell the other classes apart. A class
            without rows becomes unseen, and a message says so.
        test: bool (n,), rows that belong to a test set; ``None`` where there is no such division.

    Raises:
        DataError: if lengths differ, or a label is no class of the matrix.
    """

    inputs: Inputs
    labels: Int[Tensor, " row"]
    matrix: ClassAttributeMatrix
    is_seen: Bool[Tensor, " cls"]
    test: Bool[Tensor, " row"] | None = None

    __repr__ = short_repr

    def __post_init__(self) -> None:
        if isinstance(self.inputs, Tensor) and self.inputs.dtype == torch.half:
            self.inputs = self.inputs.float()
        self.labels, self.is_seen = torch.as_tensor(self.labels).long(), torch.as_tensor(self.is_seen).bool()
        lengths = {"inputs": len(self.inputs), "labels": len(self.labels)}
        if self.test is not None:
            lengths["test"] = len(self.test)
        if len(set(lengths.values())) != 1:
            raise DataError(f"there must be one label for each input, got {lengths}.")
        num_classes = len(self.matrix.classes)
        if len(self.is_seen) != num_classes:
            raise DataError(f"is_seen has {len(self.is_seen)} entries, but the matrix has {num_classes} classes.")
        bad = ((self.labels < 0) | (self.labels >= num_classes)).nonzero()
        if len(bad):
            row = int(bad[0])
            raise DataError(
                f"row {row} has the label {int(self.labels[row])}, but the class-attribute matrix has {num_classes} "
                "classes. Give the matrix a row for every class."
            )
        has_rows = torch.isin(torch.arange(num_classes), self.labels)
        if empty := [self.matrix.classes[i] for i in (self.is_seen & ~has_rows).nonzero().squeeze(1).tolist()]:
            rank_zero_info(f"Labelers are not trained on classes without images: {empty}.")
            self.is_seen = self.is_seen & has_rows

    def rows_of(self, classes: Sequence[str]) -> Int[Tensor, " selected"]:
        """Return the positions of the rows of some classes, int64.

        Raises:
            DataError: if a class is unknown or has no row.
        """
        index = [self.matrix.index(name) for name in classes]
        for name, cls in zip(classes, index, strict=True):
            if not (self.labels == cls).any():
                raise DataError(f"there are no images of {name!r}; give some, or name other classes.")
        return torch.isin(self.labels, torch.tensor(index)).nonzero().squeeze(1)


def read_attribute_data(
    root: str | Path,
    matrix: str | Path | None = None,
    unseen: Sequence[str] = (),
    size: int = SIZE,
    on_corrupt: OnCorrupt = "error",
) -> AttributeData:
    """Read any of the layouts.

    Args:
        root: an npz of features or images, an AwA directory, or a directory with one folder of images for each class.
        matrix: CSV with the class-attribute matrix, which a directory of image folders needs.
        unseen: classes that labelers are not trained on, where the layout does not say it.
        size: side in pixels to which image files are brought.
        on_corrupt: what to do about a file that cannot be decoded, "error" or "skip".

    Raises:
        DataError: if there is nothing to read, or its parts do not fit each other.
    """
    root = Path(root)
    if root.is_file():
        return read_features(root)
    if not root.is_dir():
        raise DataError(f"there is neither a file nor a directory {str(root)!r}.")
    if matrix is not None:
        return read_image_folder(root, matrix, unseen, size, on_corrupt)
    return read_awa(root, size, on_corrupt)


def read_features(path: str | Path) -> AttributeData:
    """Read an npz of features or small images.

    Args:
        path: holds ``features`` float (n, r) or ``images`` uint8 (n, H, W, 3), ``labels`` (n,), names of classes or
            their positions int, the names ``classes`` (C,) and ``attributes`` (A,), ``class_attributes`` (C, A) of 0
            and 1, ``seen_class`` bool (C,), and perhaps ``test`` bool (n,).

    Raises:
        DataError: if the file is no such archive, or a label is no class.
    """
    what = "an archive of features"
    cure = "It needs features or images, labels, classes, attributes, class_attributes and seen_class."
    arrays = read_arrays(path, _REQUIRED, _OPTIONAL, what, cure, may_be_nan=["class_attributes"])
    with reading(path, what, cure):
        inputs = arrays["images"].transpose(0, 3, 1, 2) if "images" in arrays else arrays["features"]
        classes, attributes = (tuple(arrays[name].astype(str).tolist()) for name in ("classes", "attributes"))
        matrix = ClassAttributeMatrix(classes, attributes, torch.from_numpy(arrays["class_attributes"]))
        labels = torch.from_numpy(_numbers(arrays["labels"], matrix))
        seen = torch.from_numpy(arrays["seen_class"])
        test = torch.from_numpy(arrays["test"]).bool() if "test" in arrays else None
        return AttributeData(torch.from_numpy(np.ascontiguousarray(inputs)), labels, matrix, seen, test)


def read_awa(root: str | Path, size: int = SIZE, on_corrupt: OnCorrupt = "error") -> AttributeData:
    """Read Animals with Attributes, 1 or 2.

    Args:
        root: holds ``classes.txt``, ``predicates.txt``, ``predicate-matrix-binary.txt``, ``trainclasses.txt``,
            ``testclasses.txt``, and ``JPEGImages/`` with a folder for each class.
        size: side in pixels to which the images are brought.
        on_corrupt: what to do about a file that cannot be decoded.

    Raises:
        DataError: if a file is missing, the matrix does not fit the names, or there are no images.
    """
    root = Path(root)
    with building(root, "an AwA directory", _AWA):
        classes, attributes = (_numbered(root / name) for name in ("classes.txt", "predicates.txt"))
        path = root / "predicate-matrix-binary.txt"
        with reading(path, "a matrix of 0 and 1", _AWA):
            values = torch.tensor([[float(x) for x in line.split()] for line in _lines(path)])
        matrix = ClassAttributeMatrix(classes, attributes, values)
        train, test = (
            [matrix.index(line.strip()) for line in _lines(root / name)]
            for name in ("trainclasses.txt", "testclasses.txt")
        )
        if both := sorted(set(train) & set(test)):
            raise DataError(f"{classes[both[0]]!r} stands in both trainclasses.txt and testclasses.txt of {root}.")
        seen = torch.zeros(len(classes), dtype=torch.bool)
        seen[train] = True
    return _folders(root / "JPEGImages", matrix, seen, size, on_corrupt)


def read_image_folder(
    root: str | Path,
    matrix: str | Path,
    unseen: Sequence[str],
    size: int = SIZE,
    on_corrupt: OnCorrupt = "error",
) -> AttributeData:
    """Read a directory with one folder of images for each class, and a CSV with the attributes of the classes.

    Raises:
        DataError: if a folder is no class of the matrix, or there are no images.
    """
    read = ClassAttributeMatrix.from_csv(matrix)
    seen = torch.ones(len(read.classes), dtype=torch.bool)
    for name in unseen:
        seen[read.index(name)] = False
    return _folders(Path(root), read, seen, size, on_corrupt)


def _folders(root: Path, matrix: ClassAttributeMatrix, seen: Tensor, size: int, on_corrupt: OnCorrupt) -> AttributeData:
    paths: list[Path] = []
    labels: list[int] = []
    for folder in sorted(path for path in _visible(root) if path.is_dir()):
        images = sorted(path for path in _visible(folder) if path.suffix.lower() in _IMAGES)
        cls = matrix.index(folder.name)
        paths += images
        labels += [cls] * len(images)
    if not paths:
        raise DataError(f"there are no images in {root}; it needs a folder for each class, with its images.")
    return AttributeData(ImageFiles(paths, size, on_corrupt), torch.tensor(labels), matrix, seen)


def _visible(folder: Path) -> list[Path]:
    """What a directory holds besides hidden names, such as ``.ipynb_checkpoints`` and the ``._cat.jpg`` of macOS."""
    return [path for path in folder.glob("*") if not path.name.startswith(".")]


def _numbers(labels: np.ndarray, matrix: ClassAttributeMatrix) -> np.ndarray:
    """Labels as positions of classes, where they are names."""
    if labels.dtype.kind not in "SU":
        return labels
    names, place = np.unique(labels.astype(str), return_inverse=True)
    return np.array([matrix.index(name) for name in names.tolist()], dtype=np.int64)[place]


def _numbered(path: Path) -> tuple[str, ...]:
    """Names from lines such as ``1  antelope``."""
    return tuple(line.split()[-1] for line in _lines(path))


def _lines(path: Path) -> list[str]:
    return [line for line in read_text(path, "a list of lines", _AWA).splitlines() if line.strip()]
