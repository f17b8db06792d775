"""The gradient targets of a data module, with what its log says about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lol_lightning._lightning import rank_zero_info
from lol_lightning.exceptions import TargetsError
from lol_lightning.features.feature_space import FeatureSpace
from lol_lightning.features.mapping import DROPPED, OPAQUE, SCALED, records_to_targets
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.inspection.summary import describe_records
from lol_lightning.lfs.record import LFRecord

__all__ = ["check_targets", "map_records"]

_MAX_EXAMPLES = 3


def map_records(
    ready: GradientTargets | None,
    records: Sequence[LFRecord],
    space: FeatureSpace,
    num_classes: int,
    mapping: Mapping[str, Any],
) -> tuple[GradientTargets, pd.DataFrame]:
    """Return gradient targets and their audit, and log what the LFs inspect.

    Args:
        ready: targets that are used as they are; the audit is empty then.
        records: what each of the m LFs inspects.
        space: fitted.
        num_classes: K.
        mapping: further arguments of ``records_to_targets``, such as the votes and features of the training rows.

    Raises:
        TargetsError: if ``ready`` targets have other sizes than the LFs, the classes and the space, or the space has no
            features that could have targets.
    """
    if ready is not None:
        _refuse_without_meaning(ready, space)
        check_targets(ready, len(records), num_classes, space.num_features)
        return ready, pd.DataFrame()
    targets, audit = records_to_targets(records, space, num_classes, **mapping)
    rank_zero_info(describe_records(records))
    if line := _describe_vote_rates(audit):
        rank_zero_info(line)
    if line := _describe_opaque(audit):
        rank_zero_info(line)
    if not space.interpretable:
        rank_zero_info(
            "No single number of an embedding stands for a word, so there are no gradient targets: a demand on words "
            "is made by inserting them, or in a bag of words beside the embedding (ColumnFeatures)."
            if space.num_features
            else "No gradient can be asked of token ids, so there are no gradient targets: a demand on words is made "
            "by inserting them (InsertionPenalty)."
        )
    elif unmapped := [records[i].name for i in targets.lfs_without_features if records[i].features]:
        rank_zero_info(
            "Nothing that these LFs inspect became a gradient target (see audit); they train with their votes alone: "
            f"{unmapped}."
        )
    return targets, audit


def _describe_vote_rates(audit: pd.DataFrame) -> str:
    """Say in one line how many terms have targets scaled by their vote rate; nothing where there is none."""
    scaled, dropped = (audit[audit.remark.str.contains(f"; {what}: ", regex=False)] for what in (SCALED, DROPPED))
    if not len(scaled) + len(dropped):
        return ""
    examples = ", ".join(
        f"{row.inspected!r} of {row.lf!r} (vote rate {row.vote_rate:.2f})"
        for row in pd.concat([dropped, scaled]).sort_values("vote_rate", kind="stable").head(_MAX_EXAMPLES).itertuples()
    )
    return (
        f"{len(scaled) + len(dropped)} of {len(audit)} inspected terms bring their LF's vote on some of the training "
        f"rows with them only, so that the targets of {len(scaled)} are scaled and those of {len(dropped)} dropped "
        f"(see audit), such as {examples}."
    )


def _describe_opaque(audit: pd.DataFrame) -> str:
    """Say in one line of which LFs the findings explain a part of the votes only; nothing where there is none."""
    opaque = audit[audit.remark.str.contains(f"; {OPAQUE}: ", regex=False)]
    if not len(opaque):
        return ""
    lowest = opaque.groupby("lf", sort=False).explained.min().sort_values(kind="stable")
    examples = ", ".join(f"{name!r} ({share:.2f})" for name, share in lowest.head(_MAX_EXAMPLES).items())
    return (
        f"What was found about {len(lowest)} LFs explains a part of their votes, by which their targets are scaled "
        f"(see audit): {examples}{', ...' if len(lowest) > _MAX_EXAMPLES else ''}."
    )


def _refuse_without_meaning(targets: GradientTargets, space: FeatureSpace) -> None:
    if not space.interpretable:
        raise TargetsError(
            f"the gradient targets are of {targets.num_features} features, such as the words of a bag, but the network "
            f"reads {space!r}, in which no single feature has a meaning. Give what the LFs inspect as records, and "
            "penalty=InsertionPenalty() (lol_lightning.losses), which puts words into texts; or give "
            "feature_space=BagOfWords()."
        )


def check_targets(targets: GradientTargets, num_lfs: int, num_classes: int, num_features: int | None) -> None:
    """Raise ``TargetsError`` unless targets have the sizes of the LFs, the classes and the features."""
    sizes = {"num_lfs": num_lfs, "num_classes": num_classes, "num_features": num_features}
    if wrong := {name: getattr(targets, name) for name in sizes if getattr(targets, name) != sizes[name]}:
        raise TargetsError(
            f"the gradient targets have {wrong}, but this data has {sizes}. Map the records against its own LFs, "
            "classes and feature space."
        )
