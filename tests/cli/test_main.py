import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lol_lightning import WrenchDataModule, __version__
from lol_lightning.cli import main
from lol_lightning.cli.configs import configurations, named_configurations
from lol_lightning.data.synthetic import synthetic_comments, synthetic_lfs

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
IMAGES = [path for path in CONFIGS if "LoLImageDataModule" in path.read_text()]
TEXTS = [path for path in CONFIGS if path not in IMAGES and path.stem != "comments"]


def test_fit_keeps_the_best_checkpoint_and_no_pickled_code(checkpoint):
    content = torch.load(checkpoint, weights_only=True)
    assert content["hyper_parameters"]["penalty"]["init_args"]["alpha"] == 1.0
    (best,) = (value for key, value in content["callbacks"].items() if key.startswith("ModelCheckpoint"))
    assert best["monitor"] == "val_accuracy"
    assert float(best["best_model_score"]) == 1.0


@pytest.mark.parametrize(("command", "stage"), [("validate", "val"), ("test", "test")])
def test_evaluation_reads_the_checkpoint(command, stage, config, checkpoint, capsys):
    main([command, "--config", str(config), "--ckpt_path", str(checkpoint)])
    printed = capsys.readouterr().out
    assert f"{stage}_accuracy" in printed
    assert "1.0" in printed


@pytest.mark.parametrize("source", ["directory", "config"])
def test_inspect_shows_lfs_and_audit(source, config, wrench_directory, capsys):
    main(["inspect", *(("--data", str(wrench_directory)) if source == "directory" else ("--config", str(config)))])
    printed = capsys.readouterr().out
    for expected in ("subscribe", "song", "opinion", "0.500"):
        assert expected in printed


@pytest.mark.parametrize("args", [[], ["--help"], ["-h"]])
def test_help_names_every_command(args, capsys):
    main(args)
    printed = capsys.readouterr().out
    assert all(f"\n  {command} " in printed for command in ("fit", "validate", "test", "predict", "inspect", "demo"))


def test_error_is_one_line_without_a_traceback(config, tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["fit", "--config", str(config), "--data.root", str(tmp_path / "nowhere")])
    error = capsys.readouterr().err
    assert exit_info.value.code == 2
    assert error.startswith("lol-lightning fit: ")
    assert str(tmp_path / "nowhere") in error
    assert error.count("\n") == 1


def test_inspect_names_a_file_without_data(tmp_path, capsys):
    (tmp_path / "empty.yaml").write_text("trainer: {}\n")
    with pytest.raises(SystemExit):
        main(["inspect", "--config", str(tmp_path / "empty.yaml")])
    assert "has no `data` section" in capsys.readouterr().err


def test_version(capsys):
    main(["--version"])
    assert capsys.readouterr().out == f"lol-lightning {__version__}\n"


def test_help_imports_no_torch():
    code = "import sys; from lol_lightning.cli import main; main(['--help']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["benchmrk"], "did you mean benchmark? Commands: fit, validate, test, predict, inspect, demo"),
        (["demo", "--seds", "3"], "--seds is no option; did you mean --seeds?"),
        (["demo", "--seeds", "x"], "--seeds: Expected a int. Got value: x."),
        (["benchmark", "--data", "x", "--trails=3"], "--trails is no option; did you mean --trials?"),
        (["report", "--metrik", "x"], "--metrik is no option; did you mean --metric?"),
        (["benchmark"], "lol-lightning benchmark: give --data"),
        (["report"], "lol-lightning report: give RESULTS."),
        (["fit"], "lol-lightning fit: give --data, or a file of options: --config FILE."),
        (["inspect"], "give --data DIRECTORY or --config FILE"),
        (["inspect", "--config", "nothing.yaml"], "nothing.yaml is missing"),
        (["fit", "--config", "CONFIG", "--confog", "x"], "--confog is no option; did you mean --config?"),
        (["fit", "--config", "CONFIG", "--model.hiden_sizes", "3"], "did you mean --model.hidden_sizes?"),
        (["fit", "--config", "CONFIG", "--data.batchsize=3"], "did you mean --data.batch_size?"),
        (["fit", "--config", "CONFIG", "--model.lr", "x"], "--model.lr: Expected a float or a null. Got value: x."),
        (["fit", "--config", "nothing.yaml"], "nothing.yaml is missing"),
        (
            ["fit", "--config", "commments"],
            "--config commments: there is neither a file nor a configuration of this name",
        ),
        (["test", "--config=yutube"], "of this name; did you mean youtube? `lol-lightning configs` lists"),
        (["fit", "--config", "comments", "--model.alhpa", "3"], "no option; did you mean --model.penalty.alpha?"),
        (["fit", "--config", "CONFIG", "--ckpt_path", "nothing.ckpt"], "nothing.ckpt: there is no such file"),
        (["test", "--config", "CONFIG"], "run `lol-lightning fit` with this configuration first"),
        (["predict", "--config", "CONFIG", "--output", "p.csv"], "run `lol-lightning fit`"),
        (["validate", "--config", "CONFIG", "--checkpoint.dirpath=null"], "Give --ckpt_path PATH"),
    ],
)
def test_what_is_wrong_is_one_line(args, message, config, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_info:
        main([str(config) if arg == "CONFIG" else arg for arg in args])
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def test_a_misspelt_key_of_a_file_is_named(config, tmp_path, capsys):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(config.read_text().replace("max_epochs", "max_epohs"))
    with pytest.raises(SystemExit):
        main(["fit", "--config", str(wrong)])
    assert "--trainer.max_epohs is no option; did you mean --trainer.max_epochs?" in capsys.readouterr().err


def test_module_runs_as_a_script():
    result = subprocess.run([sys.executable, "-m", "lol_lightning"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("usage: lol-lightning COMMAND")


def test_there_is_a_config_for_every_real_set():
    names = {path.stem for path in TEXTS}
    assert names == {"youtube", "sms", "chemprot", "agnews_24k", "yelp_7.6k", "imdb"}


@pytest.mark.wrench
@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_shipped_configs_train_and_test(path, wrench_root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = ["--config", str(path), "--data.root", str(wrench_root / path.stem), "--data.max_train_rows", "200"]
    options += ["--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false"]
    main(["fit", *options, "--trainer.max_epochs", "1"])
    main(["test", *options, "--ckpt_path", f"runs/{path.stem}/best.ckpt"])
    assert "test_accuracy" in capsys.readouterr().out


@pytest.mark.vision
@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)
def test_shipped_image_configs_train_and_test(path, vision_root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    root = str(vision_root / "awa1_svd256.npz")
    options = ["--config", str(path), "--data.root", root, "--data.labelers.epochs", "1"]
    options += ["--data.split=lol_lightning.vision.options.SplitOptions", "--data.split.max_train_rows=200"]
    options += ["--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false"]
    main(["fit", *options, "--trainer.max_epochs", "1"])
    main(["test", *options, "--ckpt_path", f"runs/{path.stem}/best.ckpt"])
    assert "test_accuracy" in capsys.readouterr().out


def test_commands_take_the_best_checkpoint_of_the_configuration(config, tmp_path, capsys, caplog):
    written = config.read_text()
    main(["fit", "--config", str(config)])
    with caplog.at_level("INFO"):
        main(["test", "--config", str(config)])
    assert f"The checkpoint is {tmp_path / 'run' / 'best.ckpt'}" in caplog.text
    main(["predict", "--config", str(config), "--output", str(tmp_path / "p.csv")])
    assert (tmp_path / "p.csv").exists()
    assert config.read_text() == written


def test_generated_comments_are_a_directory_that_a_shipped_configuration_trains_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(["data"])
    assert "https://github.com/JieyuZ2/wrench" in capsys.readouterr().out
    main(["data", "comments", "--rows", "120"])
    written = WrenchDataModule("comments")
    written.setup("fit")
    rows, lfs = synthetic_comments(120), synthetic_lfs()
    votes = np.array([[lf(SimpleNamespace(text=text)) for lf in lfs] for text in rows["text"]])
    covered = (votes != -1).any(1)
    assert (written.train_votes[(written.train_votes != -1).any(1)] == votes[covered]).all()
    assert [lf.record for lf in written.lfs] == [lf.record for lf in lfs]
    main(["fit", "--config", "comments", "--trainer.max_epochs=2"])
    main(["test", "--config=comments"])
    assert "test_accuracy" in capsys.readouterr().out


def test_configurations_go_by_name(capsys, tmp_path, monkeypatch):
    main(["configs"])
    listed = capsys.readouterr().out
    assert [line.split()[0] for line in listed.splitlines()] == [path.stem for path in CONFIGS]
    main(["configs", "youtube"])
    assert capsys.readouterr().out == (Path(__file__).parents[2] / "configs" / "youtube.yaml").read_text()
    monkeypatch.chdir(tmp_path)
    assert named_configurations(["--config", "youtube"]) == ["--config", str(configurations()["youtube"])]
    (tmp_path / "youtube").write_text("mine")
    assert named_configurations(["--config", "youtube"]) == ["--config", "youtube"]
    with pytest.raises(SystemExit):
        main(["configs", "youtub"])
    assert "did you mean youtube?" in capsys.readouterr().err
