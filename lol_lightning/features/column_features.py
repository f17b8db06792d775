"""ColumnFeatures: several feature spaces side by side, of one column or of several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from jaxtyping import Float
from torch import Tensor

from lol_lightning._files.plain import check_fields, check_list
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.features.feature_space import FeatureSpace, Matrix
from lol_lightning.features.token_sequences import TokenSequences
from lol_lightning.features.vocabulary import FOREIGN, MAPPED, SPLIT, FeatureMatch
from lol_lightning.lfs.record import InspectedFeature
from lol_lightning.lfs.rows import Rows, read_rows

__all__ = ["ColumnFeatures"]

SpaceT = TypeVar("SpaceT", bound="ColumnFeatures")


class ColumnFeatures(FeatureSpace):
    """Feature spaces side by side, in the way of scikit-learn's ``ColumnTransformer`` and ``FeatureUnion``.

    Each part reads its own column, or the same one: a bag of words and an embedding of one text are two parts. What an
    LF inspects is looked for in the parts that read its column, in all parts where nobody said which column it is. The
    features are dense where all parts are dense, else sparse.

    Args:
        parts: a dict, or pairs, of a name and a feature space. A space that is fitted already is kept as it is.
        weights: by name, what the features of a part are multiplied with, 1 where nothing is said; as
            ``transformer_weights`` of scikit-learn. The hundreds of numbers of an embedding outweigh a dozen words of a
            row, unless they are made small.

    Raises:
        ConfigurationError: if there is no part, two have the same name, one is no feature space or has token ids, or a
            weight is of no part or not a finite number above 0.

    Example:
        >>> from lol_lightning.features import BagOfWords
        >>> rows = pd.DataFrame({"title": ["great buy", "meh"], "body": ["works", "it broke"]})
        >>> space = ColumnFeatures({"title": BagOfWords(text_column="title"), "body": BagOfWords(text_column="body")})
        >>> space.fit(rows).feature_names
        ['title: buy', 'title: great', 'title: meh', 'body: broke', 'body: it', 'body: works']
        >>> space.map_feature(InspectedFeature("broke", label=0, column="body"))
        FeatureMatch(parts=((3,),), remark='mapped')
    """

    def __init__(
        self,
        parts: Mapping[str, FeatureSpace] | Iterable[tuple[str, FeatureSpace]],
        weights: Mapping[str, float] | None = None,
    ) -> None:
        pairs = list(parts.items() if isinstance(parts, Mapping) else parts)
        if not pairs:
            raise ConfigurationError("ColumnFeatures has no parts; give a dict of feature spaces by name.")
        for pair in pairs:
            if not isinstance(pair, Sequence) or len(pair) != 2 or not isinstance(pair[1], FeatureSpace):
                raise ConfigurationError(
                    f"{pair!r:.80} is no name with a feature space; give a dict such as "
                    '{"title": BagOfWords(text_column="title")}.'
                )
        self.parts: dict[str, FeatureSpace] = {str(name): space for name, space in pairs}
        if len(self.parts) < len(pairs):
            names = [str(name) for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise ConfigurationError(f"two parts of ColumnFeatures have the name {twice!r}; rename one.")
        for name, space in self.parts.items():
            if isinstance(space, TokenSequences):
                raise ConfigurationError(
                    f"the part {name!r} of ColumnFeatures is {space!r}, whose token ids are no columns of a table. "
                    "Give a TokenDataModule one joined text column, or the part as TextEmbeddings(encoder)."
                )
        self.weights = {str(name): float(weight) for name, weight in (weights or {}).items()}
        for name, weight in self.weights.items():
            if name not in self.parts or not 0 < weight < float("inf"):
                raise ConfigurationError(
                    f"weights = {{{name!r}: {weight}}}; give a finite number above 0 for one of {list(self.parts)}."
                )
        self._kept = {name for name, space in self.parts.items() if space.is_fitted}

    @property
    def is_fitted(self) -> bool:
        """Whether all parts are fitted."""
        return all(space.is_fitted for space in self.parts.values())

    @property
    def interpretable(self) -> bool:
        """Whether some part's features stand for words or columns; the other parts have no gradient targets."""
        return any(space.interpretable for space in self.parts.values())

    @property
    def text_columns(self) -> list[str]:
        """Columns whose text some part reads, each once."""
        return list(dict.fromkeys(column for space in self.parts.values() for column in space.text_columns))

    @property
    def num_features(self) -> int:
        """Number of features of all parts, d."""
        self._check_fitted()
        return sum(space.num_features for space in self.parts.values())

    @property
    def feature_names(self) -> list[str]:
        """Names of the features, after the name of their part where there are several: ``title: great``."""
        self._check_fitted()
        if len(self.parts) == 1:
            return next(iter(self.parts.values())).feature_names
        return [f"{name}: {feature}" for name, space in self.parts.items() for feature in space.feature_names]

    @property
    def observed_frequency(self) -> Float[Tensor, " feature"]:
        """float32 (d,): those of the parts."""
        self._check_fitted()
        return torch.cat([space.observed_frequency for space in self.parts.values()])

    @property
    def document_frequency(self) -> Float[Tensor, " feature"]:
        """float32 (d,): those of the parts."""
        self._check_fitted()
        return torch.cat([space.document_frequency for space in self.parts.values()])

    @property
    def feature_scale(self) -> Float[Tensor, " feature"]:
        """float32 (d,): those of the parts, times their weights."""
        self._check_fitted()
        return torch.cat([space.feature_scale * self._weight(name) for name, space in self.parts.items()])

    def fit_transform(self, data: Rows, inspected: Iterable[InspectedFeature] = ()) -> Matrix:
        """Learn each part from training rows, unless it was fitted before it became one; return their features.

        Args:
            data: training rows.
            inspected: features for which each part makes room.

        Returns:
            float32 (n, d), dense or CSR.
        """
        self._refuse_plain_texts(data)
        inspected = list(inspected)
        return self._side_by_side(
            space.transform(data) if name in self._kept else space.fit_transform(data, inspected)
            for name, space in self.parts.items()
        )

    def transform(self, data: Rows) -> Matrix:
        """Return the features of rows, float32 (n, d), dense or CSR."""
        self._check_fitted()
        self._refuse_plain_texts(data)
        return self._side_by_side(space.transform(data) for space in self.parts.values())

    def check_rows(self, data: Rows) -> None:
        """Raise ``DataError`` where some part cannot read the rows."""
        self._refuse_plain_texts(data)
        for space in self.parts.values():
            space.check_rows(data)

    def map_feature(self, feature: InspectedFeature) -> FeatureMatch:
        """Find an inspected feature in each part that reads its column.

        A phrase that one part holds whole and another one split is looked for where it is whole.
        """
        self._check_fitted()
        if feature.kind == "entry" and len(self.parts) > 1 and (entry := self._own_entry(feature.term)) is not None:
            return entry
        matches = {
            name: (start, space.map_feature(feature))
            for start, (name, space) in zip(self._starts(), self.parts.items(), strict=True)
        }
        in_parts = {name: match for name, (_, match) in matches.items() if match.parts}
        if not in_parts:
            remarks = dict.fromkeys(match.remark for _, match in matches.values())
            return FeatureMatch((), "; ".join(r for r in remarks if not r.startswith(FOREIGN)) or FOREIGN)
        best = min(map(_pieces, in_parts.values()))
        whole = {name: match for name, match in in_parts.items() if _pieces(match) == best}
        parts = tuple(
            tuple(matches[name][0] + entry for name, match in whole.items() for entry in match.parts[place])
            for place in range(best[1])
        )
        if len({match.remark for match in whole.values()}) == 1:
            return FeatureMatch(parts, next(iter(whole.values())).remark)
        return FeatureMatch(parts, "; ".join(f"{name}: {match.remark}" for name, match in whole.items()))

    def state(self) -> dict[str, Any]:
        """Return the states of the parts.

        Raises:
            NotFittedError: if a part is not fitted.
            ConfigurationError: if the class of a part is not registered.
        """
        parts = [[name, space.state()] for name, space in self.parts.items()]
        return {**super().state(), "parts": parts, "kept": sorted(self._kept), "weights": dict(self.weights)}

    @classmethod
    def from_state(cls: type[SpaceT], state: Mapping[str, Any]) -> SpaceT:
        """Build the space and its parts again.

        Raises:
            DataError: if the state does not fit the class.
        """
        from lol_lightning.features.state import feature_space_from_state

        where = f"the state of a {cls.__name__}"
        pairs = []
        fields = check_fields(state, {"class": str, "parts": list, "kept": list, "weights": dict}, where)
        for pair in check_list(fields["parts"], list, where):
            if len(pair) != 2 or not isinstance(pair[0], str):
                raise DataError(f"{where} has the part {pair!r:.80}, not a name with a state.")
            pairs.append((pair[0], feature_space_from_state(pair[1])))
        try:
            space = cls(pairs, fields["weights"])
        except (ConfigurationError, TypeError, ValueError) as error:
            raise DataError(f"{where} is broken: {error}") from error
        space._kept = set(check_list(fields["kept"], str, f"kept in {where}"))
        return space

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}: {space!r}" for name, space in self.parts.items())
        shown = parts if len(parts) <= 140 else f"{', '.join(map(repr, self.parts)):.110}"
        size = f"{self.num_features} features" if self.is_fitted else "not fitted"
        return f"{type(self).__name__}({shown}, {size})"

    def _weight(self, name: str) -> float:
        return self.weights.get(name, 1.0)

    def _side_by_side(self, blocks: Iterable[Matrix]) -> Matrix:
        weighted: list[Any] = [
            block if self._weight(name) == 1 else block * np.float32(self._weight(name))
            for name, block in zip(self.parts, blocks, strict=True)
        ]
        if any(sp.issparse(block) for block in weighted):
            return sp.csr_matrix(
                sp.hstack([sp.csr_matrix(block) for block in weighted], format="csr"), dtype=np.float32
            )
        return np.concatenate([np.asarray(block) for block in weighted], axis=1, dtype=np.float32)

    def _starts(self) -> Iterator[int]:
        """Where the features of each part begin."""
        sizes = [space.num_features for space in self.parts.values()]
        return accumulate(sizes[:-1], initial=0)

    def _own_entry(self, term: str) -> FeatureMatch | None:
        """Find a name of this space, such as a surrogate has it, in its part."""
        for start, (name, space) in zip(self._starts(), self.parts.items(), strict=True):
            own = term.removeprefix(f"{name}: ")
            if own != term and own in space.feature_names:
                if not space.interpretable:
                    return space.map_feature(InspectedFeature(own, 0, "entry"))
                return FeatureMatch(((start + space.feature_names.index(own),),), MAPPED)
        return None

    def _refuse_plain_texts(self, data: Rows) -> None:
        """Raise where one text would be read as each of several columns."""
        columns, rows = self.text_columns, read_rows(data)
        if len(columns) > 1 and not isinstance(rows, pd.DataFrame) and isinstance(next(iter(rows), None), str):
            raise DataError(
                f"the rows are plain texts, and these features are of the columns {', '.join(map(repr, columns))}; "
                "give a DataFrame, or data points with these fields."
            )


def _pieces(match: FeatureMatch) -> tuple[bool, int]:
    """Tell whether a term was split, and into how many parts."""
    return match.remark.startswith(SPLIT), len(match.parts)
