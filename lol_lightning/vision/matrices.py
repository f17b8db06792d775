"""Class-attribute matrices: which class has which attribute."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from lol_lightning._files.disk import read_text, reading
from lol_lightning.exceptions import DataError
from lol_lightning.functional.short_repr import short_repr

__all__ = ["ClassAttributeMatrix"]


@dataclass(frozen=True, eq=False)
class ClassAttributeMatrix:
    """Which class has which attribute.

    Args:
        classes: C distinct names.
        attributes: A distinct names.
        values: bool or 0/1 (C, A), NaN where nobody knows whether a class has an attribute; kept as bool, ``False``
            for NaN.

    Raises:
        DataError: if names repeat, the shape does not fit them, or a value is neither 0, 1 nor NaN.

    Example:
        >>> matrix = ClassAttributeMatrix(("seal", "rat"), ("swims", "furry"), torch.tensor([[1, 0], [0, 1]]))
        >>> matrix.of("seal")
        tensor([ True, False])
    """

    classes: tuple[str, ...]
    attributes: tuple[str, ...]
    values: Shaped[Tensor, "cls attribute"]
    is_known: Bool[Tensor, "cls attribute"] = field(init=False)
    """bool (C, A): whether the matrix says of a class that it has an attribute, or that it has not."""

    __repr__ = short_repr

    def __post_init__(self) -> None:
        for what, names in (("class", self.classes), ("attribute", self.attributes)):
            repeated = sorted({name for name in names if list(names).count(name) > 1})
            if repeated:
                raise DataError(f"the {what} {repeated[0]!r} occurs more than once in the class-attribute matrix.")
        values = torch.as_tensor(self.values)
        expected = len(self.classes), len(self.attributes)
        if tuple(values.shape) != expected:
            raise DataError(
                f"the class-attribute matrix has the shape {tuple(values.shape)}, but there are {expected[0]} classes "
                f"and {expected[1]} attributes; it needs one row for each class and one column for each attribute."
            )
        is_known = ~values.isnan()
        bad = (is_known & (values != 0) & (values != 1)).nonzero()
        if len(bad):
            row, column = bad[0].tolist()
            raise DataError(
                f"{self.classes[row]!r} has {self.attributes[column]!r} = {values[row, column].item():g} in the "
                "class-attribute matrix; write 1 where a class has an attribute, 0 where not, and NaN where nobody "
                "knows."
            )
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "attributes", tuple(self.attributes))
        # NaN as bool is True.
        object.__setattr__(self, "values", values == 1)
        object.__setattr__(self, "is_known", is_known)

    @property
    def targets(self) -> Float[Tensor, "cls attribute"]:
        """What labelers learn: float (C, A), 1 with the attribute, 0 without, NaN where it is unknown."""
        return self.values.float().masked_fill(~self.is_known, torch.nan)

    @classmethod
    def from_csv(cls, path: str | Path) -> ClassAttributeMatrix:
        """Read a CSV whose first column names the classes and whose header names the attributes.

        Names are taken as they are written: the class ``001`` is not 1, and ``null`` is a class as any other. An empty
        cell is NaN.

        Raises:
            DataError: if the file is missing or is no such table, or names repeat.
        """
        what = "a class-attribute matrix"
        cure = "It needs a header of attributes, then a line of 0 and 1 for each class, which begins with its name."
        text = read_text(path, what, cure)
        with reading(path, what, cure):
            file = io.StringIO(text)
            frame = pd.read_csv(file, index_col=0, dtype={0: str}, keep_default_na=False, skipinitialspace=True)
            if not frame.shape[1]:
                raise DataError("there are no attributes in its header; separate them by commas")
            header = _header(text)
            values = torch.from_numpy(frame.replace("", "nan").to_numpy(dtype=float, copy=True))
            return cls(tuple(map(str.strip, frame.index)), tuple(map(str.strip, header[-frame.shape[1] :])), values)

    def index(self, name: str) -> int:
        """Return the position of a class.

        Raises:
            DataError: if there is no such class.
        """
        if name not in self.classes:
            raise DataError(f"the class-attribute matrix has no class {name!r}; it has {', '.join(self.classes)}.")
        return self.classes.index(name)

    def of(self, name: str) -> Bool[Tensor, " attribute"]:
        """Return which attributes a class has according to the matrix, bool (A,)."""
        return self.values[self.index(name)]


def _header(text: str) -> list[str]:
    """Return the header of a CSV as it is written, and refuse lines of different length.

    pandas would rename a second column "flies" to "flies.1", and silently fill up a line that is cut short.
    """
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    (_, header), *lines = ((reader.line_num, line) for line in reader if line)
    usual = Counter(len(line) for _, line in lines).most_common(1)[0][0]
    if odd := [(number, len(line)) for number, line in lines if len(line) != usual]:
        raise DataError("line {} has {} cells and others have {}".format(*odd[0], usual))
    return header
