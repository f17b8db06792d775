"""Images: attribute labelers as labeling functions, and their gradients at each example as targets."""

from lol_lightning.vision.awa import AttributeData, read_attribute_data
from lol_lightning.vision.backbones import ResNet18Backbone, ResNet18Classifier
from lol_lightning.vision.datamodule import LoLImageDataModule
from lol_lightning.vision.digits import digits_data
from lol_lightning.vision.images import Standardise
from lol_lightning.vision.labelers import AttributeLabelers, ResNet18AttributeLabelers
from lol_lightning.vision.lfs import as_labeling_functions
from lol_lightning.vision.matrices import AttributeTask, ClassAttributeMatrix
from lol_lightning.vision.plots import gradient_agreement, plot_agreement, plot_gradients, plot_heat_maps
from lol_lightning.vision.seen_classes import SeenClasses, train_labelers
from lol_lightning.vision.topk import top_k_targets

__all__ = [
    "AttributeData",
    "AttributeLabelers",
    "AttributeTask",
    "ClassAttributeMatrix",
    "LoLImageDataModule",
    "ResNet18AttributeLabelers",
    "ResNet18Backbone",
    "ResNet18Classifier",
    "SeenClasses",
    "Standardise",
    "as_labeling_functions",
    "digits_data",
    "gradient_agreement",
    "plot_agreement",
    "plot_gradients",
    "plot_heat_maps",
    "read_attribute_data",
    "top_k_targets",
    "train_labelers",
]
