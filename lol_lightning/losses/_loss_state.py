"""What ``LoLLoss`` keeps in a state dict beside its buffers, and how it makes room for the state of another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from lol_lightning._files.packed import pack, unpack
from lol_lightning._files.plain import check_fields
from lol_lightning._lightning import rank_zero_info
from lol_lightning.exceptions import DataError
from lol_lightning.losses.penalties import GradientPenalty, Penalty, as_penalty
from lol_lightning.losses.penalties.base import check_alpha_and_c

if TYPE_CHECKING:
    from lol_lightning.losses.lol_loss import LoLLoss

__all__ = ["BUFFERS", "make_room", "packed_state"]

BUFFERS = ("lf_weights", "class_weights", "class_shares", "mean_prediction", "vote_scale")
"""Float buffers of ``LoLLoss``; ``None`` where they are not known."""
_SOURCES = {"lf_weights": "lf_weighting", "class_weights": "class_weighting", "class_shares": "shares_source"}
"""Attributes that hold the arguments from which buffers are computed."""


def packed_state(lol: LoLLoss) -> Tensor:
    """Return what is no buffer, packed as bytes: arguments, which later data decide anew, and alpha and c in force."""
    penalty = lol.penalty
    return pack(
        {
            "penalty": None if penalty is None else penalty.plain(),
            "in_force": None if penalty is None else {"alpha": penalty.alpha_, "c": penalty.c_},
            "sources": {name: getattr(lol, attribute) for name, attribute in _SOURCES.items()},
            "is_configured": lol.is_configured,
        }
    )


def make_room(lol: LoLLoss, state_dict: Mapping[str, Any], prefix: str, *_: Any) -> None:
    """Take arguments and penalty of a state dict, and make buffers of the sizes that it holds.

    The state counts. Where it takes the place of numbers that the user gave, one line says so.
    """
    packed = state_dict.get(prefix + "_extra_state")
    if packed is not None:
        state = _checked(unpack(packed, "the state of LoLLoss"))
        saved = None if state["penalty"] is None else as_penalty(state["penalty"], GradientPenalty)
        if saved is not None:
            saved.alpha_, saved.c_ = state["in_force"]["alpha"], state["in_force"]["c"]
        replaced = [
            f"{name}={getattr(lol, attribute)}"
            for name, attribute in _SOURCES.items()
            if _differs(getattr(lol, attribute), state_dict.get(prefix + name))
        ]
        if _replaces(saved, lol.penalty):
            replaced.append(f"penalty={lol.penalty}")
        if replaced:
            rank_zero_info(f"The state that is loaded takes the place of {', '.join(replaced)}; set it after loading.")
        for name, attribute in _SOURCES.items():
            setattr(lol, attribute, state["sources"][name])
        lol.penalty, lol.is_configured = saved, state["is_configured"]
        lol._kind_is_open = False
    device = next((buffer.device for buffer in lol.buffers()), None)
    owners: list[tuple[nn.Module | None, str, str]] = [(lol, name, name) for name in BUFFERS]
    for owner, name, path in [*owners, (lol.penalty, "lf_weights", "penalty.lf_weights")]:
        if owner is not None and (buffer := state_dict.get(prefix + path)) is not None:
            setattr(owner, name, torch.empty_like(buffer, device=device))
        elif owner is not None and packed is not None:
            setattr(owner, name, None)


def _checked(state: Any) -> dict[str, Any]:
    """Check what ``packed_state`` packs.

    Raises:
        DataError: if it is something else.
    """
    where = "the state of LoLLoss"
    fields = {"penalty": dict | None, "in_force": dict | None, "sources": dict, "is_configured": bool}
    checked = check_fields(state, fields, where)
    check_fields(checked["sources"], dict.fromkeys(_SOURCES, list | str | None), f"sources in {where}")
    if (checked["penalty"] is None) != (checked["in_force"] is None):
        raise DataError(f"{where} has a penalty without alpha and c, or these without a penalty.")
    if checked["in_force"] is not None:
        numbers = check_fields(checked["in_force"], {"alpha": float | int, "c": float | int}, f"in_force in {where}")
        check_alpha_and_c(numbers["alpha"], numbers["c"])
    return checked


def _differs(numbers: Any, saved: Tensor | None) -> bool:
    """Tell whether an argument is numbers, and others than a saved buffer; class shares may be of any sum."""
    if not isinstance(numbers, list):
        return False
    if saved is None or len(numbers) != len(saved):
        return True
    given, saved_numbers = np.asarray(numbers), saved.double().cpu().numpy()
    return not any(np.allclose(scaled, saved_numbers, rtol=1e-3) for scaled in (given, given / (given.sum() or 1)))


def _replaces(saved: Penalty | None, penalty: Penalty | None) -> bool:
    """Tell whether a penalty differs from a saved one in an argument that is not at its default."""
    if penalty is None:
        return saved is not None
    if saved is None:
        return True
    defaults, saved_arguments = type(penalty)().init_args(), saved.plain(in_force=True)["init_args"]
    chosen = {name: value for name, value in penalty.init_args().items() if value not in (None, defaults[name])}
    if saved.lf_weights is None:
        chosen.pop("weights", None)
    return any(value != saved_arguments.get(name, value) for name, value in chosen.items())
