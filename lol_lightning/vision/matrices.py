"""Class-attribute matrices, and the votes that attributes cast when classes are to be told apart."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from lol_lightning._files.disk import read_text, reading
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.functional.attributes import centred_probabilities
from lol_lightning.functional.votes import ABSTAIN, voted_classes

__all__ = ["AttributeTask", "ClassAttributeMatrix", "Polarity"]

Polarity = Literal["bipolar", "unipolar"]


@dataclass(frozen=True, eq=False)
class ClassAttributeMatrix:
    """Which class has which attribute.

    Args:
        classes: C distinct names.
        attributes: A distinct names.
        values: bool or 0/1 (C, A), NaN where it is not known whether a class has an attribute; kept as bool, ``False``
            where it is not known.

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
    known: Bool[Tensor, "cls attribute"] = field(init=False)
    """bool (C, A): for which classes it is known whether they have an attribute."""

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
        known = ~values.isnan()
        bad = (known & (values != 0) & (values != 1)).nonzero()
        if len(bad):
            row, column = bad[0].tolist()
            raise DataError(
                f"{self.classes[row]!r} has {self.attributes[column]!r} = {values[row, column].item():g} in the "
                "class-attribute matrix; write 1 where a class has an attribute, 0 where not, and NaN where that is "
                "not known."
            )
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "attributes", tuple(self.attributes))
        # NaN as bool is True.
        object.__setattr__(self, "values", values == 1)
        object.__setattr__(self, "known", known)

    @property
    def targets(self) -> Float[Tensor, "cls attribute"]:
        """What labelers learn: float (C, A), 1 with the attribute, 0 without, NaN where it is unknown."""
        return self.values.float().masked_fill(~self.known, torch.nan)

    @classmethod
    def from_csv(cls, path: str | Path) -> ClassAttributeMatrix:
        """Read a CSV whose first column names the classes and whose header names the attributes.

        Names are taken as they are written: the class ``001`` is not 1, and ``null`` is a class as any other. An empty
        cell is not known.

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
        """Return which attributes a class is known to have, bool (A,)."""
        return self.values[self.index(name)]


def _header(text: str) -> list[str]:
    """Header of a CSV as it is written, whose other lines must have as many cells as each other.

    pandas calls a second column "flies" "flies.1", and fills up a line that is cut short, so that nobody would know.
    """
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    (_, header), *lines = ((reader.line_num, line) for line in reader if line)
    usual = Counter(len(line) for _, line in lines).most_common(1)[0][0]
    if odd := [(number, len(line)) for number, line in lines if len(line) != usual]:
        raise DataError("line {} has {} cells and others have {}".format(*odd[0], usual))
    return header


@dataclass(frozen=True, eq=False)
class AttributeTask:
    """Classes that are to be told apart, and the attributes in which they differ: each of those is a labeling function.

    A *bipolar* LF votes the classes that have its attribute where it sees it, and the other classes where it does not;
    a *unipolar* one abstains where it does not see it.

    Args:
        classes: K names.
        attributes: m names, those that some of the classes have and some have not.
        columns: int64 (m,), their columns in the matrix.
        has: bool (K, m), which class has which.
        polarity: "bipolar" or "unipolar".

    Example:
        >>> names = ("swims", "furry", "big")
        >>> matrix = ClassAttributeMatrix(("seal", "rat"), names, torch.tensor([[1, 1, 1], [0, 1, 0]]))
        >>> task = AttributeTask.between(matrix, ["seal", "rat"])
        >>> task.attributes, task.votes(torch.tensor([[0.9, 0.9, 0.2]]))
        (('swims', 'big'), tensor([[0, 1]]))
    """

    classes: tuple[str, ...]
    attributes: tuple[str, ...]
    columns: Int[Tensor, " lf"]
    has: Bool[Tensor, "cls lf"]
    polarity: Polarity = "bipolar"

    @classmethod
    def between(
        cls, matrix: ClassAttributeMatrix, classes: Sequence[str], polarity: Polarity = "bipolar"
    ) -> AttributeTask:
        """Find the attributes that tell classes apart, of those that are known for all of the classes.

        Raises:
            DataError: if a class is not in the matrix.
            ConfigurationError: if there are fewer than two distinct classes, they have the same known attributes, or
                the polarity is unknown.
        """
        if polarity not in get_args(Polarity):
            raise ConfigurationError(f"polarity = {polarity!r}; use one of {', '.join(get_args(Polarity))}.")
        if len(set(classes)) != len(classes) or len(classes) < 2:
            raise ConfigurationError(f"classes = {list(classes)}; name at least two distinct ones to tell apart.")
        rows = [matrix.index(name) for name in classes]
        has, known = matrix.values[rows], matrix.known[rows].all(0)
        columns = (known & has.any(0) & ~has.all(0)).nonzero().squeeze(1)
        if not len(columns):
            raise ConfigurationError(
                f"the classes {list(classes)} have the same attributes in the matrix, so that no attribute tells them "
                f"apart; {int((~known).sum())} attributes are not known for all of them."
            )
        names = tuple(matrix.attributes[column] for column in columns.tolist())
        return cls(tuple(classes), names, columns, has[:, columns], polarity)

    @property
    def num_lfs(self) -> int:
        """Number of LFs, m."""
        return len(self.attributes)

    @property
    def num_classes(self) -> int:
        """Number of classes, K."""
        return len(self.classes)

    @property
    def votes_for_sets(self) -> bool:
        """Whether an LF votes for several classes at once, which class ids cannot say."""
        with_it = self.has.sum(0)
        without = self.num_classes - with_it
        sides = with_it if self.polarity == "unipolar" else torch.maximum(with_it, without)
        return bool((sides > 1).any())

    @property
    def similarity(self) -> Float[Tensor, "lf other"]:
        """How alike two LFs divide the classes, float (m, m) in [-1, 1]: 1 for the same way, -1 for the opposite."""
        directions = self.has.float().T - self.has.float().mean(0).unsqueeze(1)
        directions = directions / directions.norm(dim=1, keepdim=True)
        return directions @ directions.T

    def select(self, kept: Sequence[int]) -> AttributeTask:
        """Return the task with some of its LFs only, by position."""
        chosen = torch.tensor(list(kept), dtype=torch.long)
        names = tuple(self.attributes[i] for i in kept)
        return AttributeTask(self.classes, names, self.columns[chosen], self.has[:, chosen], self.polarity)

    def present(
        self, probabilities: Float[Tensor, "row attribute"], thresholds: Float[Tensor, " attribute"] | None = None
    ) -> Float[Tensor, "row lf"]:
        """Probability that each of the m attributes is there, float (n, m), one half at its threshold.

        Args:
            probabilities: float (n, A), of all attributes of the matrix.
            thresholds: float (A,), from which on an attribute counts as seen; ``None`` stands for one half.
        """
        chosen = probabilities[:, self.columns]
        return chosen if thresholds is None else centred_probabilities(chosen, thresholds[self.columns])

    def votes(
        self,
        probabilities: Float[Tensor, "row attribute"],
        thresholds: Float[Tensor, " attribute"] | None = None,
        soft: bool | None = None,
    ) -> Shaped[Tensor, "row lf *cls"]:
        """Votes of the LFs.

        Args:
            probabilities: float (n, A), of all attributes of the matrix.
            thresholds: float (A,), from which on an attribute counts as seen; ``None`` stands for one half.
            soft: keep the probabilities. By default only where LFs vote for several classes at once.

        Returns:
            int64 (n, m) with class ids or ``ABSTAIN``, or probabilities float (n, m, K), which the classes of a side
            share evenly; abstentions are rows of zeros.

        Raises:
            ConfigurationError: if class ids are asked for and an LF votes for several classes.
        """
        soft = self.votes_for_sets if soft is None else soft
        present = self.present(probabilities, thresholds)
        seen = present >= 0.5
        if soft:
            has = self.has.T.to(present.dtype)
            with_it, without = (side / side.sum(1, keepdim=True) for side in (has, 1 - has))
            votes = present.unsqueeze(-1) * with_it + (1 - present).unsqueeze(-1) * without
            return votes if self.polarity == "bipolar" else votes * seen.unsqueeze(-1)
        if self.votes_for_sets:
            raise ConfigurationError(
                f"attributes vote for several of the {self.num_classes} classes at once, which class ids cannot say; "
                "keep the probabilities (soft=True)."
            )
        with_it, without = self.has.int().argmax(0), (~self.has).int().argmax(0)
        return torch.where(seen, with_it, without if self.polarity == "bipolar" else ABSTAIN)

    def signs(self, votes: Shaped[Tensor, "row lf *cls"]) -> Int[Tensor, "row lf"]:
        """What each LF votes on, so that its gradient is that of the classes for which it votes.

        Args:
            votes: (n, m) or (n, m, K), as ``votes`` returns them.

        Returns:
            int8 (n, m): 1 where the classes that it votes for have the attribute, -1 where they lack it, 0 where it
            abstains. A vote shared by many classes may be beaten by that of a single other one: what is likelier than
            not to be there is then voted on as not there.
        """
        voted = voted_classes(votes, self.num_classes)
        having = (voted & self.has.T).any(-1)
        return torch.where(having, 1, -1).mul(voted.any(-1)).to(torch.int8)
