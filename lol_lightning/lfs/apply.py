"""Application of labeling functions to a corpus, cell for cell as Snorkel's appliers do it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from snorkel.labeling import LabelingFunction, LFApplier, PandasLFApplier

from lol_lightning.exceptions import LabelingFunctionError
from lol_lightning.lfs.matrix import validate_votes

__all__ = ["fast_apply", "validate_votes"]


def fast_apply(
    lfs: Sequence[LabelingFunction], data: pd.DataFrame | Sequence[Any], progress_bar: bool = False
) -> npt.NDArray[np.int64]:
    """Apply labeling functions; every vote is the one that Snorkel's applier gives."""
    if len(data) == 0:
        return np.empty((0, len(lfs)), dtype=np.int64)
    applier = PandasLFApplier if isinstance(data, pd.DataFrame) else LFApplier
    try:
        return applier(list(lfs)).apply(data, progress_bar=progress_bar).astype(np.int64)
    except Exception as error:
        raise LabelingFunctionError(str(error)) from error
