"""What a user writes: labeling functions, the record of what each inspects, and how they are applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lol_lightning._lazy import lazy_names

__all__ = [
    "GradientLabelingFunction",
    "InspectedFeature",
    "LFRecord",
    "as_lfs",
    "fast_apply",
    "gradient_labeling_function",
    "keyword_lf",
    "regex_lf",
    "rules_lf",
    "validate_votes",
]

if TYPE_CHECKING:
    from lol_lightning.lfs.adapter import GradientLabelingFunction, gradient_labeling_function
    from lol_lightning.lfs.apply import fast_apply
    from lol_lightning.lfs.lfs import as_lfs
    from lol_lightning.lfs.matrix import validate_votes
    from lol_lightning.lfs.record import InspectedFeature, LFRecord
    from lol_lightning.lfs.rules import keyword_lf, regex_lf, rules_lf

_HOMES = {
    "GradientLabelingFunction": "adapter",
    "InspectedFeature": "record",
    "LFRecord": "record",
    "as_lfs": "lfs",
    "fast_apply": "apply",
    "gradient_labeling_function": "adapter",
    "keyword_lf": "rules",
    "regex_lf": "rules",
    "rules_lf": "rules",
    "validate_votes": "matrix",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
