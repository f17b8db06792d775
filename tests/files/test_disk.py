import os
import stat
import subprocess
import sys

import numpy as np
import pytest

from lol_lightning._files.arrays import map_array
from lol_lightning._files.disk import read_bytes, read_text, reading, replacing, write_bytes, write_text
from lol_lightning._files.plain import read_json
from lol_lightning._files.state import (
    read_archive,
    read_tensors,
)
from lol_lightning.exceptions import DataError, TargetsError


def limited(code, path):
    """Run code in a process whose files may have at most 100,000 bytes, as on a disk that is full."""
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); path = sys.argv[1]\n"
    return subprocess.run([sys.executable, "-c", limit + code, path], capture_output=True, text=True)


class TestWriting:
    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_an_error_in_the_middle_leaves_the_old_file(self, tmp_path, error):
        write_text(tmp_path / "a", "old")

        def write():
            with replacing(tmp_path / "a") as file:
                file.write(b"half")
                raise error("middle")

        with pytest.raises(error, match="middle"):
            write()
        assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]

    @pytest.mark.parametrize(
        "write",
        [
            "from lol_lightning._files.disk import write_bytes; write_bytes(path, bytes(10**6))",
            "from lol_lightning._files.plain import write_json; write_json(path, 'x' * 10**6)",
            "import torch; from lol_lightning._files.state import *; write_archive(path, {'a': torch.randn(10**5)})",
            "import torch; from lol_lightning._files.state import *; write_tensors(path, {'a': torch.randn(10**5)})",
        ],
    )
    def test_a_full_disk_leaves_the_old_file(self, tmp_path, write):
        write_text(tmp_path / "a", "old")
        run = limited(write, tmp_path / "a")
        assert run.returncode == 1
        assert "DataError: " in run.stderr
        assert "cannot be written: file too large." in run.stderr
        assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]

    def test_a_missing_directory_is_named(self, tmp_path):
        with pytest.raises(DataError, match=rf"cannot be written: there is no directory {tmp_path}/b\.$"):
            write_text(tmp_path / "b" / "c" / "d", "text")
        assert not list(tmp_path.iterdir())

    def test_what_is_no_file_is_not_replaced(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "folder").mkdir()
        (tmp_path / "file").write_text("")
        for name, message in [
            ("pipe", "is a pipe or a device"),
            ("folder", "is a directory; name a file in it"),
            ("file/a", "cannot be written: not a directory"),
        ]:
            with pytest.raises(DataError, match=message):
                write_text(tmp_path / name, "text")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "pipe"]

    def test_links_and_permissions_stay(self, tmp_path):
        (tmp_path / "real").mkdir()
        (tmp_path / "real" / "a").write_text("old")
        os.chmod(tmp_path / "real" / "a", 0o640)
        (tmp_path / "link").symlink_to(tmp_path / "real" / "a")
        write_text(tmp_path / "link", "new")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "real" / "a").read_text() == "new"
        assert stat.S_IMODE((tmp_path / "real" / "a").stat().st_mode) == 0o640
        (tmp_path / "dangling").symlink_to(tmp_path / "real" / "b")
        write_text(tmp_path / "dangling", "first")
        assert (tmp_path / "real" / "b").read_text() == "first"

    def test_a_new_file_has_the_usual_permissions(self, tmp_path):
        (tmp_path / "usual").write_text("")
        write_text(tmp_path / "a", "")
        assert (tmp_path / "a").stat().st_mode == (tmp_path / "usual").stat().st_mode

    def test_text_that_is_no_utf8(self, tmp_path):
        with pytest.raises(DataError, match="cannot be written: 'utf-8' codec can't encode"):
            write_text(tmp_path / "a", "\ud800")

    def test_what_others_mapped_stays_as_it_is(self, tmp_path):
        np.save(tmp_path / "a.npy", np.ones(5))
        array = map_array(tmp_path / "a.npy", "f")
        write_bytes(tmp_path / "a.npy", b"")
        assert array.tolist() == [1.0] * 5


class TestReading:
    def test_what_is_missing_is_named(self, tmp_path):
        (tmp_path / "link").symlink_to("nowhere")
        for name, message in [
            ("a", rf"^{tmp_path}/a is missing\. Make one\.$"),
            ("b/c/d", rf"^there is no directory {tmp_path}/b\. Make one\.$"),
            ("link", rf"^{tmp_path}/link is a link to nowhere, which is missing\. Make one\.$"),
            (".", "is a directory; name a file in it"),
        ]:
            for read in (read_text, read_json, read_archive, read_tensors):
                with pytest.raises(DataError, match=message):
                    read(tmp_path / name, "a file", "Make one.")

    def test_a_pipe_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        for read in (read_bytes, read_json, read_archive, read_tensors):
            with pytest.raises(DataError, match="is a pipe or a device"):
                read(tmp_path / "pipe", "a file")

    def test_errors_that_name_the_file_pass_and_others_are_told(self):
        with pytest.raises(DataError, match=r"^x\.csv is of another version$"), reading("x.csv", "a table"):
            raise DataError("x.csv is of another version")
        problems = {"it lacks 'column'": KeyError("column"), r"x\.csv is missing": DataError("x.csv is missing.")}
        for reason, problem in problems.items():
            with pytest.raises(TargetsError, match=rf"^x\.csv is not a table: {reason}\. Name another\.$"):
                with reading("x.csv", "a table", "Name another.", TargetsError):
                    raise problem
        with pytest.raises(DataError, match="x is not a table: it is nested too deeply"), reading("x", "a table"):
            raise RecursionError("maximum")
        with pytest.raises(KeyboardInterrupt), reading("x", "a table"):
            raise KeyboardInterrupt
