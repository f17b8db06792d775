"""Images: attribute labelers as labeling functions, and their gradients at each example as targets."""

from lol_lightning.vision.attribute_task import AttributeTask
from lol_lightning.vision.awa import AttributeData, read_attribute_data
from lol_lightning.vision.backbones import ResNet18Backbone, ResNet18Classifier
from lol_lightning.vision.datamodule import LoLImageDataModule
from lol_lightning.vision.digits import digits_data
from lol_lightning.vision.images import Standardise
from lol_lightning.vision.labeler_training import LabelerTraining, train_labelers
from lol_lightning.vision.labelers import AttributeLabelers
from lol_lightning.vision.lfs import as_labeling_functions
from lol_lightning.vision.matrices import ClassAttributeMatrix
from lol_lightning.vision.options import ImageOptions, RowTargetOptions, SplitOptions
from lol_lightning.vision.plots import gradient_agreement, plot_agreement, plot_gradients, plot_heat_maps
from lol_lightning.vision.resnet18_labelers import ResNet18AttributeLabelers
from lol_lightning.vision.seen_classes import SeenClasses
from lol_lightning.vision.target_files import load_targets, save_targets
from lol_lightning.vision.topk import top_k_targets

__all__ = [
    "AttributeData",
    "AttributeLabelers",
    "AttributeTask",
    "ClassAttributeMatrix",
    "ImageOptions",
    "LabelerTraining",
    "LoLImageDataModule",
    "ResNet18AttributeLabelers",
    "ResNet18Backbone",
    "ResNet18Classifier",
    "RowTargetOptions",
    "SeenClasses",
    "SplitOptions",
    "Standardise",
    "as_labeling_functions",
    "digits_data",
    "gradient_agreement",
    "load_targets",
    "plot_agreement",
    "plot_gradients",
    "plot_heat_maps",
    "read_attribute_data",
    "save_targets",
    "top_k_targets",
    "train_labelers",
]
