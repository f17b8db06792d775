"""AttributeTask: attributes as labeling functions that tell classes apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from lol_lightning.exceptions import ConfigurationError, check_choice
from lol_lightning.functional.attributes import centred_probabilities
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.functional.votes import ABSTAIN, voted_classes
from lol_lightning.vision.matrices import ClassAttributeMatrix

__all__ = ["AttributeTask", "Polarity"]

Polarity = Literal["bipolar", "unipolar"]


@dataclass(frozen=True, eq=False)
class AttributeTask:
    """Classes to tell apart, and the attributes in which they differ, each of which is a labeling function.

    A *bipolar* LF votes for the classes that have its attribute where it detects the attribute, and for the other
    classes where it does not; a *unipolar* one abstains where it does not.

    Args:
        classes: K names.
        attributes: m names, those that some of the classes have and some have not.
        columns: int64 (m,), their columns in the matrix.
        has: bool (K, m), which class has which.
        polarity: "bipolar" or "unipolar".

    Example:
        >>> names = ("swims", "furry", "big")
        >>> from lol_lightning.vision import ClassAttributeMatrix
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

    __repr__ = short_repr

    @classmethod
    def between(
        cls, matrix: ClassAttributeMatrix, classes: Sequence[str], polarity: Polarity = "bipolar"
    ) -> AttributeTask:
        """Find the attributes that tell classes apart, among those that the matrix knows for all of the classes.

        Raises:
            DataError: if a class is not in the matrix.
            ConfigurationError: if there are fewer than two distinct classes, they have the same known attributes, or
                the polarity is unknown.
        """
        check_choice("polarity", polarity, get_args(Polarity))
        if len(set(classes)) != len(classes) or len(classes) < 2:
            raise ConfigurationError(f"classes = {list(classes)}; name at least two distinct ones to tell apart.")
        rows = [matrix.index(name) for name in classes]
        has, is_known = matrix.values[rows], matrix.is_known[rows].all(0)
        columns = (is_known & has.any(0) & ~has.all(0)).nonzero().squeeze(1)
        if not len(columns):
            raise ConfigurationError(
                f"the classes {list(classes)} have the same attributes in the matrix, so that no attribute tells them "
                f"apart; {int((~is_known).sum())} attributes are not known for all of them."
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
            thresholds: float (A,), from which on an attribute counts as present; ``None`` stands for one half.
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
            thresholds: float (A,), from which on an attribute counts as present; ``None`` stands for one half.
            soft: keep the probabilities. By default only where LFs vote for several classes at once.

        Returns:
            int64 (n, m) with class ids or ``ABSTAIN``, or probabilities float (n, m, K), which are divided
            evenly among the classes of a side; abstentions are rows of zeros.

        Raises:
            ConfigurationError: if ``soft`` is false and an LF votes for several classes.
        """
        soft = self.votes_for_sets if soft is None else soft
        present = self.present(probabilities, thresholds)
        is_present = present >= 0.5
        if soft:
            has = self.has.T.to(present.dtype)
            with_it, without = (side / side.sum(1, keepdim=True) for side in (has, 1 - has))
            votes = present.unsqueeze(-1) * with_it + (1 - present).unsqueeze(-1) * without
            return votes if self.polarity == "bipolar" else votes * is_present.unsqueeze(-1)
        if self.votes_for_sets:
            raise ConfigurationError(
                f"attributes vote for several of the {self.num_classes} classes at once, which class ids cannot say; "
                "keep the probabilities (soft=True)."
            )
        with_it, without = self.has.int().argmax(0), (~self.has).int().argmax(0)
        return torch.where(is_present, with_it, without if self.polarity == "bipolar" else ABSTAIN)

    def signs(self, votes: Shaped[Tensor, "row lf *cls"]) -> Int[Tensor, "row lf"]:
        """What each LF votes on, so that its gradient is that of the classes for which it votes.

        Args:
            votes: (n, m) or (n, m, K), as ``votes`` returns them.

        Returns:
            int8 (n, m): 1 where the classes that it votes for have the attribute, -1 where they lack it, 0 where it
            abstains. A vote that is divided among many classes may be smaller than that for a single other class:
            an attribute that is likelier than not to be there then counts as -1.
        """
        voted = voted_classes(votes, self.num_classes)
        having = (voted & self.has.T).any(-1)
        return torch.where(having, 1, -1).mul(voted.any(-1)).to(torch.int8)
