"""A pretrained encoder from the command line, by its folder: fit, test, predict, demo and benchmark."""

import pandas as pd
import pytest
from tiny_benchmark import write_wrench

from lol_lightning import LoLClassifier
from lol_lightning.cli import main
from lol_lightning.features import ColumnFeatures, TextEmbeddings
from lol_lightning.losses import GradientPenalty, InsertionPenalty

pytest.importorskip("transformers")
from tiny_encoder import save_tiny_encoder

TINY = ["--seeds=1", "--trials=1", "--jobs=1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny_encoder(tmp_path_factory.mktemp("encoder"))


def saved(tmp_path):
    (path,) = (tmp_path / "run").glob("*.ckpt")
    return LoLClassifier.load_from_checkpoint(path)


def test_embeddings_train_answer_and_are_tested(config, folder, tmp_path, capsys):
    space = ["--data.feature_space.class_path=lol_lightning.features.TextEmbeddings"]
    space += [f"--data.feature_space.init_args.encoder={folder}", "--data.feature_space.init_args.progress_bar=false"]
    common = ["--config", str(config), *space]
    main(["fit", *common])
    model = saved(tmp_path)
    assert isinstance(model.feature_space, TextEmbeddings)
    assert type(model.lol.penalty) is InsertionPenalty
    assert model.lol.penalty.alpha_ == 1.0
    capsys.readouterr()
    main(["test", *common])
    assert "accuracy" in capsys.readouterr().out
    main(["predict", *common, f"--output={tmp_path}/answers.csv"])
    assert len(pd.read_csv(tmp_path / "answers.csv")) == 17


def test_an_encoder_in_one_argument(config, folder, tmp_path):
    main(["fit", "--config", str(config), f"--data.encoder={folder}", "--data.progress_bar=false"])
    model = saved(tmp_path)
    assert isinstance(model.feature_space, ColumnFeatures)
    assert set(model.feature_space.parts) == {"words", "meaning"}
    assert type(model.lol.penalty) is GradientPenalty
    assert model.predict(["subscribe to my channel", "what a lovely song"]).tolist() == [1, 0]


def test_an_encoder_and_a_feature_space_contradict_each_other(config, folder, capsys):
    space = "--data.feature_space=lol_lightning.features.BagOfWords"
    with pytest.raises(SystemExit) as exit_info:
        main(["fit", "--config", str(config), f"--data.encoder={folder}", space])
    assert exit_info.value.code == 2
    assert "give one of encoder= and feature_space=" in capsys.readouterr().err


def test_the_demo_with_an_encoder(folder, tmp_path, capsys):
    values = []
    for name, options in {"words": [], "both": [f"--encoder={folder}"]}.items():
        main(["demo", "--rows=60", *TINY, f"--output={tmp_path}/{name}", *options])
        frame = pd.read_csv(tmp_path / f"{name}.csv")
        values.append(frame[frame.metric == "test_nll"].set_index("method").value)
    # All methods train the same end model, which reads the embeddings, too.
    assert len(values[0]) == 4
    assert (values[0] != values[1]).all()


def test_a_benchmark_with_an_encoder(folder, tmp_path):
    directory = write_wrench(tmp_path / "toy")
    output = tmp_path / "r.csv"
    main(["benchmark", f"--data={directory}", "--methods", "lol", *TINY, "--epochs=2", f"--encoder={folder}",
          f"--output={output}"])  # fmt: skip
    assert set(pd.read_csv(output).method) == {"lol"}
    assert str(folder) in (tmp_path / "r.json").read_text()
