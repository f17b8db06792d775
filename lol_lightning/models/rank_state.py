"""What each rank of a fit keeps for itself, in checkpoints: a resumed fit draws what an uninterrupted one does."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed

__all__ = ["own_state", "random_state", "restore_random_state", "states_of_ranks"]


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the states of the global generators of PyTorch, on the CPU and on ``device``."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Set the global generators as they were."""
    torch.set_rng_state(state["cpu"].cpu())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)


def states_of_ranks(state: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """Return the states of all ranks; call it on all of them."""
    _, num_ranks = _rank()
    if num_ranks == 1:
        return [state]
    states: list[Any] = [None] * num_ranks
    distributed.all_gather_object(states, state)
    return states


def own_state(states: list[dict[str, Tensor]] | None) -> dict[str, Tensor] | None:
    """Return this rank's state, ``None`` where there is none or there were other ranks."""
    rank, num_ranks = _rank()
    return states[rank] if states is not None and len(states) == num_ranks else None


def _rank() -> tuple[int, int]:
    if not (distributed.is_available() and distributed.is_initialized()):
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()
