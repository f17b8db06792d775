"""LoLLabelModel, in the place of Snorkel's LabelModel."""

from lol_lightning.label_model.label_model import LoLLabelModel

__all__ = ["LoLLabelModel"]
