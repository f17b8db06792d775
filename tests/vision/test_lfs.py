import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from snorkel.labeling import LFAnalysis, LFApplier, PandasLFApplier
from toy_images import perfect_labelers, small_backbone, toy_image_data, toy_matrix

from lol_lightning.exceptions import LabelingFunctionError
from lol_lightning.vision import LabelerTraining, LoLImageDataModule, SplitOptions
from lol_lightning.vision.attribute_task import AttributeTask
from lol_lightning.vision.images import Standardise
from lol_lightning.vision.lfs import as_labeling_functions


@pytest.fixture(scope="module")
def data():
    torch.manual_seed(0)
    backbone = small_backbone()
    backbone.num_features = 96
    training = LabelerTraining(backbone=backbone, epochs=10, lr=0.01)
    module = LoLImageDataModule(
        toy_image_data(), ["bat", "eel"], labelers=training, split=SplitOptions(val_per_class=2)
    )
    module.setup()
    return module


@pytest.fixture
def images(data):
    """What the votes of the data module are of, uint8 (n, 3, 8, 8)."""
    return data.data.inputs[data._rows["train"]]


@pytest.fixture
def lfs(data):
    return as_labeling_functions(data.labelers, data.task, column="image", size=8)


def pictures(images):
    return [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]


def files(images, folder):
    paths = []
    for number, picture in enumerate(pictures(images)):
        paths.append(folder / f"{number}.png")
        picture.save(paths[-1])
    return paths


ROWS = {
    "bytes CHW": lambda images, folder: list(images.numpy()),
    "bytes HWC": lambda images, folder: list(images.permute(0, 2, 3, 1).numpy()),
    "tensors": lambda images, folder: list(images),
    "standardised": lambda images, folder: list(Standardise()(images).bfloat16().float().numpy()),
    "PIL": lambda images, folder: pictures(images),
    "Path": files,
    "str": lambda images, folder: list(map(str, files(images, folder))),
}


# Snorkel's analysis and the newest SciPy.
@pytest.mark.filterwarnings("ignore:Input has data type:FutureWarning")
@pytest.mark.parametrize("kind", ROWS)
def test_lfs_vote_as_the_data_module_does_on_whatever_holds_an_image(data, images, lfs, kind, tmp_path):
    frame = pd.DataFrame({"image": pd.Series(ROWS[kind](images, tmp_path), dtype=object)})
    votes = PandasLFApplier(lfs).apply(frame, progress_bar=False)
    assert (votes == data.train_votes).all()
    summary = LFAnalysis(votes, lfs).lf_summary(data.train_classes.numpy())
    assert list(summary.index) == data.lf_names
    assert summary["Emp. Acc."].tolist() == pytest.approx((votes == data.train_classes.numpy()[:, None]).mean(0))
    # Images may be the data points, too.
    assert (LFApplier(lfs).apply(list(frame["image"]), progress_bar=False) == data.train_votes).all()


def test_pictures_are_brought_to_the_size_that_is_given(data, images):
    seen = []
    (lf, *_) = as_labeling_functions(
        data.labelers, data.task, size=8, transform=lambda x: seen.append(x.shape) or Standardise()(x)
    )
    large = pictures(images)[0].resize((32, 16), Image.Resampling.NEAREST)
    lf(large)
    with pytest.raises(LabelingFunctionError, match=r"1x768 and 96x4.*Give the path of an image file"):
        lf(np.asarray(large))
    assert seen == [(1, 3, 8, 8), (1, 3, 16, 32)]


def test_grey_images_count_as_images_of_three_equal_channels(lfs, images):
    grey = images[:, 0]
    repeated = images[:, :1].expand(-1, 3, -1, -1)
    assert [[lf(image.numpy()) for lf in lfs] for image in grey] == [[lf(image) for lf in lfs] for image in repeated]
    assert lfs[0](Image.fromarray(grey[0].numpy())) == lfs[0](repeated[0])


def test_a_picture_that_is_written_over_is_another_data_point(lfs, images, data):
    first, second = (int((torch.from_numpy(data.train_votes[:, 0]) == k).nonzero()[0]) for k in (0, 1))
    shown = pictures(images)
    reused = shown[first].copy()
    assert lfs[0](reused) == 0
    reused.paste(shown[second])
    assert lfs[0](reused) == 1


def test_a_column_comes_before_an_attribute_of_pandas(data, images):
    lfs = as_labeling_functions(data.labelers, data.task, column="size")
    frame = pd.DataFrame({"size": list(images.numpy())})
    assert (PandasLFApplier(lfs).apply(frame, progress_bar=False) == data.train_votes).all()


def test_lfs_can_be_pickled(lfs, images):
    assert [lf(images[0]) for lf in pickle.loads(pickle.dumps(lfs))] == [lf(images[0]) for lf in lfs]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "a NoneType"),
        (float("nan"), r"a float \(nan\)"),
        ({"bytes": b""}, "a dict"),
        (b"raw", r"a bytes \(b'raw'\)"),
        ([[1, 2], [3]], "a list"),
        (np.zeros((8, 8, 3), np.int64), r"a ndarray \(torch.int64 of the shape \(8, 8, 3\)\)"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), r"a Tensor \(torch.uint8 of the shape \(1, 3, 8, 8\)\)"),
        (np.zeros((8, 8, 4), np.uint8), r"a ndarray \(images of the shape \(1, 4, 8, 8\) have 4 channels"),
        (np.zeros(5), "a ndarray"),
        ("nowhere.png", "a str .the image nowhere.png cannot be decoded"),
    ],
)
def test_rows_that_are_no_images_are_named_with_the_cure(lfs, value, message):
    with pytest.raises(LabelingFunctionError, match=f"holds {message}.*Give the path of an image file"):
        lfs[0]({"image": value})


def test_features_may_be_integers_lists_and_half_precision():
    task = AttributeTask.between(toy_matrix(), ["bat", "eel"])
    (lf, *_) = as_labeling_functions(perfect_labelers(), task, column="vector")
    row = [1, 1, -1, 0, 0, 0, 0, 0]
    for value in (row, np.array(row), np.array(row, np.float16), torch.tensor(row).bfloat16()):
        assert lf({"vector": value}) == 0
