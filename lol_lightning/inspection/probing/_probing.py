"""Probing: the exact discrete derivative of any labeling function on real documents."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from inspect import signature
from typing import Any

import numpy as np
from jaxtyping import Int
from joblib import Parallel, delayed
from tqdm import tqdm  # type: ignore[import-untyped]

from lol_lightning.exceptions import ConfigurationError, did_you_mean, renamed_arguments
from lol_lightning.inspection.probing._points import points_of
from lol_lightning.inspection.probing._probe_settings import ProbeSettings
from lol_lightning.inspection.probing._text_probe import probe_lf
from lol_lightning.inspection.probing._units import TOKEN_PATTERN, TextUnits
from lol_lightning.lfs.isolated import isolated_copy
from lol_lightning.lfs.lfs import as_lfs
from lol_lightning.lfs.matrix import validate_votes
from lol_lightning.lfs.record import Kind, LFRecord
from lol_lightning.lfs.rows import column_of, read_rows

__all__ = ["check_probe_settings", "probe_lfs"]


@renamed_arguments(column="text_column")
def probe_lfs(
    lfs: Iterable[Any],
    data: Any,
    feature_space: Any = None,
    *,
    text_column: str = "text",
    votes: Int[np.ndarray, "row lf"] | None = None,
    ngram_range: tuple[int, int] = (1, 1),
    token_pattern: str = TOKEN_PATTERN,
    candidates: Iterable[str] = (),
    n_jobs: int = 1,
    progress_bar: bool = False,
    **settings: Any,
) -> list[LFRecord]:
    """Find out what labeling functions look at by taking tokens away from real documents.

    Where an LF votes k, all occurrences of one unit are removed from the text and the LF is called again. The mean
    change of its vote over the documents that hold the unit and on which it votes is the conditional discrete
    derivative of the smoothed LF (Sec. 4.2): 1 for the word of a keyword LF, negative for another class that the
    removal brings up. Redundant triggers (two keywords in one text) lower it. Works for any black box.

    Args:
        lfs: labeling functions of any make, see ``as_lfs``; those with ``rules`` are applied in batches.
        data: a DataFrame or a sequence of data points. They are never changed: an LF gets a shallow copy.
        feature_space: a fitted ``BagOfWords`` or vectorizer whose entries are the units; else tokens are.
        text_column: column or attribute of the text, or of tokens: lists, tuples, sets, arrays, or the keys of dicts.
        votes: int64 (n, m), the votes on ``data``, if you have them.
        ngram_range: lengths of the n-grams that are units, without a feature space.
        token_pattern: what a token is, without a feature space.
        candidates: units that are also inserted where the LF abstains.
        n_jobs: number of LFs probed at a time, by joblib. Its processes get the LFs by cloudpickle, closures too; for
            an LF that holds what cannot be pickled (a lock, a connection) use
            ``with joblib.parallel_config(backend="threading")``.
        progress_bar: show one.
        **settings: the other fields of ``ProbeSettings``: strategy, budget of each LF, precision, seed, errors.

    Returns:
        One record for each LF, ``source="probed"``, the strongest finding first.

    Raises:
        DataError: if the text column is missing.
        ConfigurationError: if a setting is out of range.
        LabelingFunctionError: if an LF raises and ``on_error="raise"``.

    Example:
        >>> from snorkel.labeling import labeling_function
        >>> @labeling_function()
        ... def spam(x):
        ...     return 1 if "http" in x.text else -1
        >>> from types import SimpleNamespace
        >>> data = [SimpleNamespace(text=t) for t in ("see http://a.b", "http://c.d", "no link")]
        >>> [record] = probe_lfs([spam], data)
        >>> [(f.term, f.label, f.value, f.support) for f in record.features]
        [('http', 1, 1.0, 2)]
    """
    functions = as_lfs(lfs)
    data = read_rows(data)
    values = column_of(data, text_column)
    points = points_of(data, text_column, () if values is None else values)
    check_probe_settings(settings, "probe_lfs", signature(probe_lfs).parameters)
    chosen = ProbeSettings(candidates=tuple(candidates), **settings)
    units = points.units or TextUnits(token_pattern, ngram_range=ngram_range)
    kind: Kind = "token"
    if feature_space is not None and points.units is None:
        units, kind = TextUnits.of_feature_space(feature_space), "entry"
    by_lf = [None] * len(functions) if votes is None else list(validate_votes(votes).T)
    jobs = (
        delayed(probe_lf)(isolated_copy(lf), points, units, kind, chosen, own)
        for lf, own in zip(functions, by_lf, strict=True)
    )
    probes = Parallel(n_jobs=n_jobs, return_as="generator")(jobs)
    shown = tqdm(probes, desc="Probing LFs", total=len(functions), disable=not progress_bar)
    return [probe.record for probe in shown]


def check_probe_settings(settings: Mapping[str, Any], function: str, others: Iterable[str] = ()) -> None:
    """Check keywords that a function passes on to ``probe_lfs``.

    Args:
        settings: the keywords.
        function: its name, for the error.
        others: names of its own arguments, one of which may have been meant.

    Raises:
        ConfigurationError: if one is unknown or out of range.
    """
    fields = [field.name for field in dataclasses.fields(ProbeSettings)]
    accepted = [*fields, *signature(probe_lfs).parameters]
    for name in settings:
        if name not in accepted:
            raise ConfigurationError(f"{function} has no argument {name!r}{did_you_mean(name, [*accepted, *others])}")
    jobs = settings.get("n_jobs", 1)
    if not isinstance(jobs, int) or jobs == 0:
        raise ConfigurationError(f"n_jobs = {jobs!r}; give a number of LFs to probe at a time, or -1 for all cores.")
    ProbeSettings(**{name: value for name, value in settings.items() if name in fields and name != "candidates"})
