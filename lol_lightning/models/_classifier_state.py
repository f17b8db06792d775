"""What ``LoLClassifier`` keeps in a state dict beside its tensors, and how it is built from another one's state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lol_lightning._files.packed import pack, unpack
from lol_lightning._files.plain import check_fields
from lol_lightning.features import feature_space_from_state
from lol_lightning.models.model_file import check_room
from lol_lightning.networks.pretrained import network_from_state, state_of_network

if TYPE_CHECKING:
    from lol_lightning.models.classifier import LoLClassifier

__all__ = ["build_from", "note_loaded", "packed_state"]

_EXTRA = {"sizes": dict, "feature_space": dict | None, "network": dict | None}


def packed_state(model: LoLClassifier) -> Tensor:
    """Return what is no tensor, packed as bytes: the sizes, the feature space, what builds a Hugging Face network."""
    sizes = {name: model.hparams[name] for name in model._SIZES}
    if model._packed is None or model._packed[0] != sizes:
        network = state_of_network(model.network)
        model._packed = sizes, pack({"sizes": sizes, "feature_space": model._space_state, "network": network})
    return model._packed[1]


def build_from(model: LoLClassifier, state_dict: Mapping[str, Any], prefix: str, *_: Any) -> None:
    """Take sizes and feature space of a state dict, and build the network that its weights are loaded into.

    Raises:
        DataError: if the state is broken, or does not fit the model.
    """
    packed = state_dict.get(prefix + "_extra_state")
    if packed is None:
        return
    unpacked = {"network": None, **unpack(packed, "the state of LoLClassifier")}
    extra = check_fields(unpacked, _EXTRA, "the state of LoLClassifier")
    sizes = check_fields(extra["sizes"], dict.fromkeys(model._SIZES, int | None), "sizes in the state of LoLClassifier")
    if not model._is_built:
        check_room(
            {**model.hparams, **sizes}, {name: state_dict[name] for name in state_dict if name.startswith(prefix)}
        )
    space = None if extra["feature_space"] is None else feature_space_from_state(extra["feature_space"])
    network = None
    if model.network is None and extra["network"] is not None:
        own = prefix + "network."
        weights = {name.removeprefix(own): value for name, value in state_dict.items() if name.startswith(own)}
        network = network_from_state(extra["network"], weights)
    # From here on nothing in the state can be wrong but the weights.
    model.hparams.update(sizes)
    if network is not None:
        model.network = network
    if not model._is_built:
        model._build()
    if space is not None:
        model._space_state, model._packed, model.feature_space = extra["feature_space"], None, space


def note_loaded(model: LoLClassifier, *_: Any) -> None:
    """Let the hyperparameters tell the numbers that are in force once a state is loaded."""
    model._note_hparams()
