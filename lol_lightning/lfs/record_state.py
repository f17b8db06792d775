"""From what a file holds of a record back to the record, every field checked."""

from __future__ import annotations

import math
from typing import Any

from lol_lightning._files.plain import check_fields, check_list
from lol_lightning.exceptions import DataError
from lol_lightning.lfs.record import LFRecord

__all__ = ["record_from_state"]

_RECORD = {"name": str, "features": list, "columns": list, "notes": list}
_FEATURE = {
    "term": str,
    "label": int,
    "kind": str,
    "value": int | float,
    "source": str,
    "clause": int,
    "group": int,
    "column": str | None,
    "std_error": int | float | None,
    "support": int | None,
}


def record_from_state(value: Any, where: str) -> LFRecord:
    """Build a record from what ``LFRecord.to_dict`` returned and a file kept.

    Args:
        value: what the file holds.
        where: what it is, such as "LF 3", for the message.

    Raises:
        DataError: if a field is missing, unknown, of another type or no number where one is needed.
        LabelingFunctionError: if a feature is ill-defined.

    Example:
        >>> record_from_state(LFRecord("spam").to_dict(), "LF 0")
        LFRecord('spam', nothing on record)
    """
    if isinstance(value, dict):  # A pickle keeps the tuples that JSON turns into lists.
        value = {name: list(part) if isinstance(part, tuple) else part for name, part in value.items()}
    record = check_fields(value, _RECORD, where)
    features = [check_fields(feature, _FEATURE, f"a feature of {where}") for feature in record["features"]]
    for feature in features:
        error, support = feature["std_error"], feature["support"]
        if feature["label"] < 0:
            raise DataError(f"a feature of {where} has label = {feature['label']}, which is no class.")
        if error is not None and not 0 <= error < math.inf:
            raise DataError(f"a feature of {where} has std_error = {error}, no number from 0 on.")
        if support is not None and support < 0:
            raise DataError(f"a feature of {where} has support = {support}, below 0.")
    for name in ("columns", "notes"):
        check_list(record[name], str, f"{name} of {where}")
    return LFRecord.from_dict({**record, "features": features})
