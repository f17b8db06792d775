import numpy as np
import pytest
import torch
from PIL import Image
from toy_images import write_images

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.vision import images as images_module
from lol_lightning.vision.images import CorruptImageWarning, ImageFiles, Standardise, decode


def test_an_image_as_large_as_an_attack_counts_as_corrupt(tmp_path, monkeypatch):
    paths = sorted(write_images(tmp_path, rows_per_class=1).rglob("*.png"))[:2]
    Image.new("RGB", (4, 5)).save(paths[0])
    monkeypatch.setattr(images_module, "MAX_PIXELS", 20)
    index = torch.arange(2)
    with pytest.raises(DataError, match=r"cat_0000.png cannot be decoded \(it has .* pixels, .*on_corrupt='skip'"):
        ImageFiles(paths, size=4).read(index)
    with pytest.warns(CorruptImageWarning, match="left out"):
        images, kept = ImageFiles(paths, size=4, on_corrupt="skip").read(index)
    assert kept.tolist() == [0]
    assert images.shape == (1, 3, 4, 4)


def test_a_header_that_promises_a_huge_image_takes_no_memory(tmp_path):
    # Below the bound of Pillow, which would only warn, and of which nothing but the header is there.
    Image.new("1", (8, 8)).save(tmp_path / "a.bmp")
    content = bytearray((tmp_path / "a.bmp").read_bytes())
    content[18:26] = (9000).to_bytes(4, "little") * 2
    (tmp_path / "a.bmp").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.bmp cannot be decoded \(it has 9000 x 9000 = 81000000 pixels, more than"):
        decode(tmp_path / "a.bmp", size=8)


@pytest.mark.parametrize("shape", [(1, 20_000), (20_000, 1), (3, 50), (50, 4)])
def test_of_a_strip_only_the_middle_is_enlarged(tmp_path, shape):
    image = Image.new("RGB", shape, "white")
    middle = tuple(side // 2 for side in shape)
    image.paste("red", (middle[0] - 2, middle[1] - 2, middle[0] + 2, middle[1] + 2))
    image.save(tmp_path / "a.png")
    decoded = decode(tmp_path / "a.png", size=224)
    assert decoded.shape == (3, 224, 224)
    assert decoded[:, 112, 112].tolist() == [255, 0, 0]
    # As if the whole strip had been enlarged.
    if max(shape) < 100:
        whole = [round(side * 224 / min(shape)) for side in shape]
        left, top = (whole[0] - 224) // 2, (whole[1] - 224) // 2
        expected = image.resize(whole).crop((left, top, left + 224, top + 224))
        assert (decoded.permute(1, 2, 0).float() - torch.from_numpy(np.array(expected)).float()).abs().mean() < 8


def test_what_was_standardised_can_be_undone():
    images = torch.randint(256, (4, 3, 2, 2), dtype=torch.uint8)
    standardise = Standardise()
    torch.testing.assert_close(standardise.undo(standardise(images)), images / 255)
    # What gradients or noise drove out of the range of bytes can still be shown.
    shown = standardise.undo(torch.full((1, 3, 1, 1), 100.0))
    assert shown.eq(1).all()


def test_grey_is_repeated_and_one_mean_serves_all_channels():
    grey = torch.randint(256, (2, 1, 3, 4), dtype=torch.uint8)
    assert Standardise()(grey).equal(Standardise()(grey.expand(-1, 3, -1, -1)))
    assert Standardise((0.5,), (0.5,))(grey).shape == (2, 1, 3, 4)
    assert Standardise((0.5,), (0.5,))(grey.expand(-1, 4, -1, -1)).shape == (2, 4, 3, 4)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 4, 3, 3), r"have 4 channels, and Standardise has a mean for 3: give transform=.* with 4 numbers each"),
        ((2, 2, 3, 3), "of 1 or 3 channels"),
        ((2, 5), r"integers torch.uint8 of the shape \(2, 5\) are no images"),
        ((3, 8, 8), r"\(3, 8, 8\) are no images"),
    ],
)
def test_channels_that_do_not_fit_are_named(shape, message):
    with pytest.raises(DataError, match=message):
        Standardise()(torch.zeros(shape, dtype=torch.uint8))


@pytest.mark.parametrize(("mean", "std"), [((0.5, 0.5), (1.0,)), ((0.5,), (0.0,)), ((), ())])
def test_means_and_deviations_must_fit(mean, std):
    with pytest.raises(ConfigurationError, match="need one number for each channel"):
        Standardise(mean, std)
