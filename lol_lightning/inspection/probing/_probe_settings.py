"""How labeling functions are probed on text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from lol_lightning.exceptions import ConfigurationError, check_number
from lol_lightning.inspection._votes import OnError
from lol_lightning.lfs.limits import CALL_SECONDS, check_call_seconds

__all__ = ["ProbeSettings", "Strategy"]

Strategy = Literal["auto", "halving", "every"]


@dataclass(frozen=True)
class ProbeSettings:
    """How a labeling function is probed.

    Args:
        strategy: ``"every"`` removes each unit by itself; ``"halving"`` removes groups and halves those that change
            the vote, which finds the same if the LF is monotone (see ``critical_units``). ``"auto"`` removes every
            unit from the first 16 documents, and goes on with halving if that, taught by one half of them, finds the
            same in the other half with fewer calls. A budget too small for this goes to halving at once. An LF that
            is not monotone on one document in twenty can slip through: for models, ``"every"`` is the exact choice.
        max_calls: budget of calls for each LF; ``None`` probes the whole corpus. Documents are taken in random order.
        max_seconds: budget of seconds for each LF.
        max_call_seconds: how long one call may take; an LF that takes longer is not called again, as a note says.
        precision: stop probing a unit once its flip rate is certain to within this (Wilson's 95% bound), and stop the
            LF once all units that flip are and new ones turn up on less than this fraction of the documents.
            0 probes every document. The bound holds for one look; the many looks of a long run make it optimistic.
        min_support: number of documents whose vote a unit must change to be kept.
        candidates: units that are also inserted, in front or at the end, into 50 texts on which the LF abstains.
        on_error: ``"note"`` counts the vote of an LF that raises as unknown, ``"abstain"`` as an abstention, and both
            say so in the record; ``"raise"`` raises.
        seed: of the order of documents.

    Raises:
        ConfigurationError: if a value is out of range.
    """

    strategy: Strategy = "auto"
    max_calls: int | None = None
    max_seconds: float | None = None
    max_call_seconds: float | None = CALL_SECONDS
    precision: float = 0.0
    min_support: int = 2
    candidates: tuple[str, ...] = ()
    on_error: OnError = "note"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in (("strategy", get_args(Strategy)), ("on_error", get_args(OnError))):
            if (value := getattr(self, name)) not in allowed:
                raise ConfigurationError(f"{name} = {value!r} is not one of {allowed}.")
        if self.max_calls is not None:
            check_number("max_calls", self.max_calls, at_least=1, whole=True)
        if self.max_seconds is not None:
            check_number("max_seconds", self.max_seconds, above=0)
        check_number("seed", self.seed, at_least=0, whole=True)
        check_call_seconds(self.max_call_seconds)
        check_number("precision", self.precision, at_least=0, below=1)
        check_number("min_support", self.min_support, at_least=1, whole=True)
