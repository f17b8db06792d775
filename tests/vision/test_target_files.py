import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from broken_files import FUZZ, broken
from hypothesis import given
from hypothesis import strategies as st

from lol_lightning.exceptions import TargetsError
from lol_lightning.functional.example_targets import ExampleTargets
from lol_lightning.vision.target_files import SETTINGS, load_targets, replacing, save_targets

N, M, TOP, D = 5, 2, 3, 9


def make_targets():
    generator = torch.Generator().manual_seed(0)
    index = torch.randint(D, (N, M, TOP), generator=generator)
    value = torch.randn(N, M, TOP, generator=generator).half()
    return ExampleTargets(index.to(torch.int16), value, D, torch.rand(N, M, generator=generator), "log-odds", 0.3)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("targets")
    save_targets(make_targets(), directory, "ours")
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@FUZZ
@given(data=st.data())
def test_broken_files_are_an_error_or_the_targets(written, tmp_path_factory, data):
    directory = tmp_path_factory.mktemp("broken")
    name = data.draw(st.sampled_from(sorted(written)))
    for file, content in written.items():
        (directory / file).write_bytes(data.draw(broken(content)) if file == name else content)
    try:
        targets = load_targets(directory)
    except TargetsError as error:
        return None if str(directory) in str(error) else pytest.fail(f"{error} does not name the directory")
    expected = make_targets()
    # All rows of this small set are in the sample; what is no array may be another valid value.
    for array, tensor in expected.arrays().items():
        torch.testing.assert_close(targets.arrays()[array], tensor, rtol=0, atol=0)
    assert targets.unit in ("probability", "log-odds")
    assert targets.typical_magnitude > 0
    return None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 10**30}, "index.npy has 5 rows, and targets.json says 10+"),
        ({"rows": -1}, "says -1"),
        ({"rows": True}, "rows = True, not int"),
        ({"unit": "metres"}, "unit = 'metres'; use one of"),
        ({"typical_magnitude": -0.5}, "must be a number above 0"),
        ({"num_features": "9"}, "num_features = '9', not int"),
        ({"more": 1}, "has 'more', which is not expected"),
    ],
)
def test_settings_that_do_not_fit(written, tmp_path, changes, message):
    for file, content in written.items():
        (tmp_path / file).write_bytes(content)
    settings = json.loads(written[SETTINGS])
    (tmp_path / SETTINGS).write_text(json.dumps({**settings, **changes}))
    with pytest.raises(TargetsError, match=rf"{tmp_path} is not a directory of gradient targets: .*{message}"):
        load_targets(tmp_path)


def test_what_all_rows_have_in_common_may_be_said_of_few_or_many_rows(tmp_path):
    one = make_targets().rows(torch.tensor([0]))
    save_targets(ExampleTargets(one.index.expand(N, M, TOP), one.value.expand(N, M, TOP), D), tmp_path)
    settings = json.loads((tmp_path / SETTINGS).read_text())
    (tmp_path / SETTINGS).write_text(json.dumps({**settings, "rows": 2**70}))
    with pytest.raises(TargetsError, match="is not a directory of gradient targets"):
        load_targets(tmp_path)


def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetsError, match=r"gradient targets cannot be written into .*file"):
        save_targets(make_targets(), tmp_path / "file")


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system cannot reserve the bytes of a file")
def test_a_full_disk_is_an_error_and_leaves_the_old_targets(tmp_path):
    save_targets(make_targets(), tmp_path)
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "from lol_lightning.vision.target_files import allocate, replacing\n"
        "with replacing(sys.argv[1]) as draft: allocate(10**5, 1, 1, 9, draft)"
    )
    run = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert run.returncode == 1
    assert "TargetsError: gradient targets cannot be written into" in run.stderr
    assert len(load_targets(tmp_path)) == N
    assert len(list(tmp_path.iterdir())) == 4


def test_an_error_in_the_middle_leaves_the_old_targets(tmp_path):
    save_targets(make_targets(), tmp_path)

    def write():
        with replacing(tmp_path) as draft:
            np.save(draft / "index.npy", np.zeros(3))
            raise RuntimeError("middle")

    with pytest.raises(RuntimeError, match="middle"):
        write()
    torch.testing.assert_close(load_targets(tmp_path).index, make_targets().index)
