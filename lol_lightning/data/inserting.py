"""From texts with inspected terms to the insertions of a data module, with what its log and its audit say of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int

from lol_lightning._lightning import rank_zero_info
from lol_lightning.data.dataset import as_features
from lol_lightning.data.insertions import InsertionBank
from lol_lightning.data.voters import Voters
from lol_lightning.exceptions import ConfigurationError, TargetsError
from lol_lightning.features.feature_space import FeatureSpace
from lol_lightning.features.token_sequences import TokenSequences
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.inspection.insertion import InsertedRows, InsertionOptions, insert_terms
from lol_lightning.lfs.record import LFRecord
from lol_lightning.lfs.rows import Rows

__all__ = ["inserted_rows", "insertion_audit", "insertion_bank", "insertion_options", "refuse_gradient_targets"]

TOKEN_INSERTIONS = InsertionOptions(terms_per_step=4, rows_per_term=2)
"""Of networks that are trained on tokens, for which each insertion is a row more."""


def insertion_options(insertions: bool | InsertionOptions | None, space: FeatureSpace) -> InsertionOptions | None:
    """Return how terms are inserted, ``None`` where LFs make their demands on input gradients.

    Args:
        insertions: what the user wants; ``None`` leaves it to the space: single features of encoders and tokens stand
            for no word.
        space: what the model reads.

    Raises:
        ConfigurationError: if the space reads no texts.
    """
    wanted = not space.interpretable and bool(space.text_columns) if insertions is None else insertions
    if wanted is False:
        return None
    if not space.text_columns:
        raise ConfigurationError(
            f"terms cannot be inserted for {type(space).__name__}, which names no columns of texts (text_columns)."
        )
    if wanted is not True:
        return wanted
    # A step of a transformer with eight pairs costs less than twice one without.
    return TOKEN_INSERTIONS if isinstance(space, TokenSequences) else InsertionOptions()


def refuse_gradient_targets(targets: GradientTargets | None, space: FeatureSpace) -> None:
    """Raise ``TargetsError`` if there are gradient targets, which hold no term, where terms are to be inserted."""
    if targets is None:
        return
    if space.interpretable:
        raise TargetsError(
            f"records= are gradient targets of {targets.num_features} features, and insertions= needs terms: give "
            "records of what the LFs inspect, or insertions=False."
        )
    raise TargetsError(
        f"the gradient targets are of {targets.num_features} features, such as the words of a bag, but the network "
        f"reads {space!r}, in which no single feature has a meaning. Give what the LFs inspect as records, whose terms "
        "are inserted into texts, or feature_space=BagOfWords()."
    )


def inserted_rows(
    voters: Voters,
    records: Sequence[LFRecord],
    rows: Rows,
    votes: Int[np.ndarray, "row lf"],
    space: FeatureSpace,
    options: InsertionOptions,
) -> InsertedRows:
    """Insert what the LFs inspect into training rows, and say in one line what came of it; see ``insert_terms``."""
    code = {lf.name: lf for lf in voters.lfs}
    made = insert_terms(
        rows, records, votes, space.text_columns, code, options, voters.fault_tolerant, voters.max_call_seconds
    )
    heard = np.unique(made.lf)
    without = [record.name for i, record in enumerate(records) if i not in set(heard.tolist())]
    line = (
        f"{len(made)} pairs of rows with and without {len(np.unique(made.term))} inspected terms make the demands of "
        f"{len(heard)} of {len(records)} LFs"
    )
    rank_zero_info(f"{line}; these train with their votes alone: {without}." if without else f"{line}.")
    return made


def insertion_bank(
    made: InsertedRows, space: FeatureSpace, num_lfs: int, options: InsertionOptions
) -> InsertionBank | None:
    """Read rows with and without their terms by a fitted feature space; ``None`` where there are no such rows."""
    if not len(made):
        return None
    spans = [(int(begin), int(end)) for begin, end in made.spans]
    with_term = as_features(space.transform_keeping(made.with_term, spans))
    # Where a long text is shortened, both keep the words around the term: else the pair would differ in all of them.
    around = [(max(begin - 2, 0), begin + 1) for begin, _ in spans]
    without_term = as_features(space.transform_keeping(made.without_term, around))
    return InsertionBank(
        with_term,
        without_term,
        torch.from_numpy(made.lf),
        torch.from_numpy(made.cls),
        torch.from_numpy(made.value).float(),
        torch.from_numpy(made.term),
        num_lfs,
        torch.from_numpy(made.lf_scale).float(),
        options.terms_per_step,
        options.rows_per_term,
        options.seed,
    )


def insertion_audit(made: InsertedRows, records: Sequence[LFRecord]) -> pd.DataFrame:
    """Return one row for each term that was inserted: LF, term, class, number of pairs, and the mean value of them."""
    frame = pd.DataFrame(
        {
            "lf": [records[lf].name for lf in made.lf],
            "inserted": [made.terms[term] for term in made.term],
            "label": made.cls,
            "value": made.value,
        }
    )
    audit = frame.groupby(["lf", "inserted", "label"], sort=False).agg(pairs=("value", "size"), value=("value", "mean"))
    scale = {record.name: made.lf_scale[i] for i, record in enumerate(records)}
    audit = audit.reset_index()
    audit["brings_vote"] = audit.lf.map(scale).astype(float)
    return audit
