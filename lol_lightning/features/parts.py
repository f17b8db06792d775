"""Which part of a feature space probing and surrogates may ask: one whose features are words or columns."""

from __future__ import annotations

from dataclasses import replace

from lol_lightning.features.column_features import ColumnFeatures
from lol_lightning.features.feature_space import FeatureSpace
from lol_lightning.lfs.record import InspectedFeature, LFRecord

__all__ = ["in_own_words", "interpretable_part", "part_of_column"]


def part_of_column(space: FeatureSpace | None, column: str, text_column: str) -> FeatureSpace | None:
    """Return the space whose entries are the words of a column's texts; ``None`` where there is none.

    Args:
        space: of one column or of several.
        column: name of the column.
        text_column: name of the column that a space reads which does not say what it reads.
    """
    if isinstance(space, ColumnFeatures):
        parts = (part_of_column(part, column, "") for part in space.parts.values())
        return next((part for part in parts if part is not None), None)
    if space is None or not space.interpretable:
        return None
    return space if column in (space.text_columns or [text_column]) else None


def interpretable_part(space: FeatureSpace | None) -> FeatureSpace | None:
    """Return a space without its embeddings, ``None`` where nothing is left."""
    if isinstance(space, ColumnFeatures):
        left = {name: own for name, part in space.parts.items() if (own := interpretable_part(part)) is not None}
        return space if len(left) == len(space.parts) else ColumnFeatures(left) if left else None
    return space if space is not None and space.interpretable else None


def in_own_words(record: LFRecord, space: FeatureSpace) -> LFRecord:
    """Return a record whose entries of a bag of words among several parts are words of that part's column.

    ``title: great``, which a surrogate finds, is the word ``great`` of the column ``title`` to everybody else.
    """
    if not isinstance(space, ColumnFeatures) or len(space.parts) < 2:
        return record
    return replace(record, features=tuple(_own_word(feature, space) for feature in record.features))


def _own_word(feature: InspectedFeature, space: ColumnFeatures) -> InspectedFeature:
    for name, part in space.parts.items():
        own = feature.term.removeprefix(f"{name}: ")
        if feature.kind == "entry" and own != feature.term and len(part.text_columns) == 1:
            return replace(feature, term=own, column=part.text_columns[0])
    return feature
