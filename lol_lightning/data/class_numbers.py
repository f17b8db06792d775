"""How many classes there are, and which vote or label says so."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from lol_lightning._lightning import rank_zero_info
from lol_lightning.data.options import Classes
from lol_lightning.exceptions import DataError
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.lfs.record import InspectedFeature

__all__ = ["check_largest_vote", "infer_num_classes"]

_MAX_CLASSES, _MAX_SPARSE = 10_000, 100
_CURE = "Raise their number, or name every class, in classes=; or correct it."


def infer_num_classes(
    classes: Classes,
    labels: Mapping[str, np.ndarray],
    votes: Mapping[str, np.ndarray],
    lf_names: Sequence[str],
    inspected: Iterable[InspectedFeature] = (),
) -> int:
    """Return K: that of the classes, or the smallest (at least 2) that has room for labels, votes and LFs.

    What was inferred is said in one line, with a warning where a class below the largest has neither a vote nor a
    label: one stray number then makes K.

    Args:
        classes: the user's settings.
        labels: gold classes by the name of the rows that have them.
        votes: int (n, m) by the name of the rows.
        lf_names: names of the m LFs.
        inspected: what the LFs inspect.

    Raises:
        DataError: if a label, vote or inspected class has no room in K, or makes a K that is implausible.

    Example:
        >>> infer_num_classes(Classes(), {"val": np.array([0, 3, 1, 2])}, {"train": np.array([[1, -1]])}, ["a", "b"])
        4
    """
    inspected = list(inspected)
    sources = [_largest_label(labels), _largest_vote(votes, lf_names)]
    if inspected:
        feature = max(inspected, key=lambda feature: feature.label)
        sources.append((feature.label, f"the class of an inspected feature is {feature.label} ({feature.term!r})"))
    largest, where = max(sources, key=lambda source: source[0])
    if classes.number is not None:
        if largest >= classes.number:
            raise _no_room(where, classes.number)
        return classes.number
    number = max(2, largest + 1)
    used = {feature.label for feature in inspected}
    for values in [*labels.values(), *votes.values()]:
        used.update(np.unique(values).tolist())
    used.discard(ABSTAIN)
    empty = number - len(used)
    if number > _MAX_CLASSES or (number > _MAX_SPARSE and empty > number / 2):
        raise DataError(
            f"{where}, which makes {number} classes, of which {len(used)} have a vote or a label. Is it an id, or a "
            "number of something else? If it is a class, give their number as classes=."
        )
    if empty and number > 2:
        absent = [cls for cls in range(number) if cls not in used]
        warnings.warn(
            f"{where}, so there are {number} classes, but no vote and no label is of class "
            f"{', '.join(map(str, absent[:8]))}{', ...' * (len(absent) > 8)}. Correct it if it is wrong, else give "
            f"classes={number}.",
            stacklevel=3,
        )
    rank_zero_info(f"There are {number} classes, the fewest with room for all votes and labels; classes= sets another.")
    return number


def check_largest_vote(votes: np.ndarray, num_classes: int, split: str, lf_names: Sequence[str]) -> None:
    """Raise ``DataError`` where a vote names a class that the training rows have not."""
    largest, where = _largest_vote({split: votes}, lf_names)
    if largest >= num_classes:
        raise _no_room(where, num_classes)


def _largest_label(labels: Mapping[str, np.ndarray]) -> tuple[int, str]:
    found = (ABSTAIN, "")
    for split, values in labels.items():
        if len(values) and values.max() > found[0]:
            row = int(values.argmax())
            found = int(values[row]), f"a gold label of the {split} rows is {values[row]} (row {row})"
    return found


def _largest_vote(votes: Mapping[str, np.ndarray], lf_names: Sequence[str]) -> tuple[int, str]:
    found = (ABSTAIN, "")
    for split, matrix in votes.items():
        if matrix.size and matrix.max() > found[0]:
            row, lf = (int(i) for i in np.unravel_index(matrix.argmax(), matrix.shape))
            vote = int(matrix[row, lf])
            found = vote, f"a vote on the {split} rows is {vote} (labeling function {lf_names[lf]!r}, row {row})"
    return found


def _no_room(where: str, num_classes: int) -> DataError:
    return DataError(f"{where}, but there are only {num_classes} classes 0 .. {num_classes - 1}. {_CURE}")
