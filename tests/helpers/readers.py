"""Every reader of a file, with a small valid file, and how what it returns is used.

A reader that is new is added here: the tests and ``make fuzz`` then try it.
"""

import json
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from lol_lightning.exceptions import LoLError

TEXTS = ["win a prize now", "nice song today", "prize inside", "lovely song"] * 2
VOTES = np.array([[1, -1], [-1, 0]] * 4)
NEW = ["an award", "a song", "zzz"]


@dataclass(frozen=True)
class Reader:
    """A reader of one or several files in a directory."""

    name: str
    write: Callable[[Path], None]
    """Write valid files into a directory."""
    read: Callable[[Path], Any]
    """Read and use them; return what the numbers are to be checked of."""
    forms: dict[str, str] = field(default_factory=dict)
    """What a file is, by its name or ending, for ``mutations.mutate``."""

    def contents(self):
        """The bytes of the valid files by their names below the directory."""
        return _contents(self.name)

    def try_on(self, rng, mutate, root, chosen=None):
        """Read files one of which is damaged; return "accepted" or "refused", and raise for a fault."""
        files = self.contents()
        chosen = chosen or rng.choice(sorted(files))
        form = self.forms.get(chosen, self.forms.get(Path(chosen).suffix, "bytes"))
        with tempfile.TemporaryDirectory(dir=root) as name:
            directory = Path(name)
            for file, content in files.items():
                (directory / file).parent.mkdir(parents=True, exist_ok=True)
                (directory / file).write_bytes(mutate(rng, content, form) if file == chosen else content)
            return self.outcome(directory)

    def outcome(self, directory):
        """Read the files of a directory; "accepted" or "refused"."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                result = self.read(directory)
            except LoLError as error:
                if str(directory) not in str(error):
                    raise AssertionError(f"the error does not name the file: {error}") from error
                return "refused"
        assert_finite(result, self.name)
        return "accepted"


READERS: dict[str, Reader] = {}


def reader(write, forms=None):
    """Register a reader by its function's name."""

    def register(read):
        name = read.__name__.removeprefix("read_")
        READERS[name] = Reader(name, write, read, forms or {})
        return read

    return register


@cache
def _contents(name):
    with tempfile.TemporaryDirectory() as directory, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = Path(directory)
        READERS[name].write(root)
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def assert_finite(value, where="it"):
    """Fail if a number in arrays, tensors, frames, dicts, lists and floats is not finite."""
    if isinstance(value, torch.Tensor):
        assert not value.is_floating_point() or value.isfinite().all(), f"{where} is not finite"
    elif isinstance(value, np.ndarray):
        assert value.dtype.kind != "f" or np.isfinite(value).all(), f"{where} is not finite"
    elif isinstance(value, pd.DataFrame):
        for name in value.columns:
            assert_finite(value[name].to_numpy(), f"{where}.{name}")
    elif isinstance(value, float):
        assert np.isfinite(value), f"{where} is {value}"
    elif isinstance(value, dict):
        for key, child in value.items():
            assert_finite(child, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for i, child in enumerate(value):
            assert_finite(child, f"{where}[{i}]")


def fitted_label_model(with_rows):
    """A label model of two LFs, perhaps with a classifier."""
    from lol_lightning import LoLLabelModel, keyword_lf

    model = LoLLabelModel(2, verbose=False)
    options = {"progress_bar": False, "n_epochs": 2}
    if with_rows:
        lfs = [keyword_lf("prize", ["prize", "award"], label=1), keyword_lf("song", ["song"], label=0)]
        options |= {"X": TEXTS, "lfs": lfs, "batch_size": 4, "hidden_sizes": [4]}
    model.fit(VOTES, **options)
    return model


def _label_model(path):
    from lol_lightning import LoLLabelModel

    model = LoLLabelModel(2, verbose=False)
    model.load(path)
    lfs, cls = model.get_conditional_probs().shape[0], model.cardinality
    # All that is read is used: the posterior of votes for each class, weights and the text of the object.
    votes = np.arange(3 * lfs).reshape(3, lfs) % cls
    return model, [model.predict_proba(votes), model.get_weights(), repr(model)]


@reader(lambda root: fitted_label_model(False).save(root / "model"), {"model": "npz"})
def read_label_model_of_votes(root):
    return _label_model(root / "model")[1]


@reader(lambda root: fitted_label_model(True).save(root / "model"), {"model": "npz"})
def read_label_model_of_rows(root):
    model, found = _label_model(root / "model")
    if model.classifier_ is not None:
        found.append(_answers(model.classifier_))
    return found


@reader(lambda root: fitted_label_model(True).classifier_.save(root / "model"), {"model": "npz"})
def read_classifier(root):
    from lol_lightning import LoLClassifier

    return _answers(LoLClassifier.load(root / "model"))


def _answers(model):
    """Use a classifier: predictions, its loss's buffers, its text; what was accepted can be kept again."""
    from lol_lightning.features import BagOfWords

    rows = NEW if isinstance(model.feature_space, BagOfWords) else np.ones((2, model.hparams["num_features"]))
    if isinstance(model.feature_space, BagOfWords) and model.feature_space.column != "text":
        rows = pd.DataFrame({model.feature_space.column: NEW})
    repr(model)
    model.plain_state()
    return [model.predict_proba(rows.astype(np.float32) if isinstance(rows, np.ndarray) else rows), model.state_dict()]


def write_checkpoint(root):
    """A Lightning checkpoint of a classifier and its data module."""
    from lol_lightning import LoLClassifier, LoLDataModule, keyword_lf
    from lol_lightning._lightning import Trainer

    lfs = [keyword_lf("prize", ["prize", "award"], label=1), keyword_lf("song", ["song"], label=0)]
    data = LoLDataModule(TEXTS, lfs=lfs, batch_size=4, progress_bar=False)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(accelerator="cpu", max_epochs=1, enable_checkpointing=False, **quiet)
    trainer.fit(LoLClassifier(hidden_sizes=[4]), data)
    trainer.save_checkpoint(root / "a.ckpt")


@reader(write_checkpoint, {".ckpt": "torch"})
def read_checkpoint(root):
    from lol_lightning import LoLClassifier

    return _answers(LoLClassifier.load_from_checkpoint(root / "a.ckpt"))


@reader(write_checkpoint, {".ckpt": "torch"})
def read_checkpoint_of_data(root):
    from lol_lightning import LoLDataModule

    state = LoLDataModule.load_from_checkpoint(root / "a.ckpt")
    column = getattr(state.feature_space, "column", "text")
    data = LoLDataModule.load_from_checkpoint(root / "a.ckpt", predict=pd.DataFrame({column: NEW}))
    data.setup("predict")
    return [batch.features.to_dense() for batch in data.predict_dataloader()] + [data.lf_names, data.records]


def _write_inspection(root):
    from lol_lightning import inspect_lfs, keyword_lf

    lfs = [keyword_lf("prize", ["prize", "award"], label=1), keyword_lf("song", ["song"], label=0)]
    inspect_lfs(lfs, TEXTS, progress_bar=False).save(root / "lfs.json")


@reader(_write_inspection, {".json": "json"})
def read_inspection(root):
    from lol_lightning.inspection import LFInspection

    inspection = LFInspection.load(root / "lfs.json")
    summary = inspection.summary()
    inspection.describe()
    inspection.opposed()
    values = [[f.value for f in record.features] for record in inspection.records]
    errors = [[f.std_error for f in record.features] for record in inspection.records]
    inspection.save(root / "again.json")
    return [inspection.votes, summary["Coverage"].to_numpy(), values, errors]


def _write_wrench(root):
    rows = {
        str(i): {"label": i % 2, "weak_labels": VOTES[i].tolist(), "data": {"text": text}}
        for i, text in enumerate(TEXTS)
    }
    rules = [[{"label": 1, "token": ["prize"]}], [{"label": 0, "substring": ["song"]}, {"label": 0, "length_below": 3}]]
    lfs = [{"name": "prize", "rules": rules[0]}, {"name": "song", "rules": rules[1][:1]}]
    for name, content in {"label": {"0": "ham", "1": "spam"}, "lfs": lfs}.items():
        (root / f"{name}.json").write_text(json.dumps(content))
    for name in ("train", "valid", "test"):
        (root / f"{name}.json").write_text(json.dumps(rows))


@reader(_write_wrench, {".json": "json"})
def read_wrench(root):
    from lol_lightning import WrenchDataModule

    data = WrenchDataModule(root, progress_bar=False)
    data.setup("fit")
    data.setup("test")
    batches = [next(iter(loader())) for loader in (data.train_dataloader, data.val_dataloader, data.test_dataloader)]
    return [part for batch in batches for part in (batch.votes, batch.labels, batch.features.to_dense())]


DATA = tempfile.TemporaryDirectory()
"""A WRENCH directory that YAML files name; it goes with the process."""


def _write_yaml(root):
    _write_wrench(Path(DATA.name))
    section = {"class_path": "lol_lightning.WrenchDataModule", "init_args": {"root": DATA.name, "batch_size": 4}}
    (root / "a.yaml").write_text(json.dumps({"trainer": {"max_epochs": 1}, "data": section}))


@reader(_write_yaml, {".yaml": "yaml"})
def read_yaml_of_data(root):
    from lol_lightning.cli.inspect_command import data_of_config

    return data_of_config(str(root / "a.yaml"))


def _write_options(root):
    budget = {"trials": 2, "epochs": 3}
    (root / "a.yaml").write_text(json.dumps({"data": ["DATA"], "methods": ["mv", "lol"], "seeds": 2, **budget}))


@reader(_write_options, {".yaml": "yaml"})
def read_yaml_of_options(root):
    from lol_lightning.cli.options import check_configs
    from lol_lightning.experiments.commands import benchmark_parser

    options = ["--config", str(root / "a.yaml")]
    check_configs(options)
    try:
        return list(benchmark_parser().parse_args(options).as_dict())
    except SystemExit as stop:  # jsonargparse's own message: usage, and the wrong option.
        if stop.code != 2:
            raise
        return []


def _write_results(root):
    from tiny_benchmark import plan_of, write_wrench

    from lol_lightning.experiments.plan import Outcome
    from lol_lightning.experiments.results import ResultFiles

    plan = plan_of(write_wrench(Path(tempfile.mkdtemp(dir=root)) / "toy"), "lol")
    outcome = Outcome({"test_accuracy": 0.75, "val_accuracy": 1.0}, 2.0, 1, 0, 0, {"lr": 0.1})
    files = ResultFiles(root / "r.csv", {"epochs": 3}, {"lol": {"c": 1}}, {"lol": "votes"})
    files.write([(plan, outcome), (plan_of(root.glob("*/toy").__next__(), "mv"), outcome)])
    for path in (*root.glob("*/toy/*"), *root.glob("*/toy"), *root.glob("tmp*")):
        path.unlink() if path.is_file() else path.rmdir()


@reader(_write_results, {".csv": "csv", ".json": "json"})
def read_results(root):
    from rich.console import Console

    from lol_lightning.experiments.report import print_results
    from lol_lightning.experiments.results import ResultFiles, read_knowledge
    from lol_lightning.experiments.results import read_results as read

    frame, knows = read(root / "r.csv"), read_knowledge(root / "r.csv")
    with (root / "console").open("w") as file:
        print_results(frame, Console(file=file), knows=knows)
    files = ResultFiles(root / "r.csv", {"epochs": 3}, {"lol": {"c": 1}})
    files.write([])
    bounded = frame[~frame["metric"].isin(["test_nll", "test_max_logit"])]
    return [bounded["value"].to_numpy(), frame["seconds"].to_numpy()]


def _write_study(root):
    import optuna
    from optuna.distributions import FloatDistribution

    from lol_lightning.experiments.store import TrialStore

    store = TrialStore(root / "a.sqlite")
    for number in range(2):
        attributes = {"hyperparameters": {"lr": 0.1}, "check": 0, "seconds": 1.0}
        limits = {"lr": FloatDistribution(0.01, 1.0, log=True)}
        trial = optuna.trial.create_trial(
            params={"lr": 0.1}, distributions=limits, value=0.5 + number, user_attrs=attributes
        )
        trial.number = number
        store.add("study", trial)
    from lol_lightning.experiments.plan import METRICS

    metrics = {f"test_{name}": 0.5 for name in METRICS}
    outcome = {"metrics": metrics, "seconds": 1.0, "trial": 0, "check": 0, "pruned": 0, "hyperparameters": {"lr": 0.1}}
    store.set_outcome("study", 2, {**outcome, "label_model": {}})
    store.close()


@reader(_write_study, {".sqlite": "sqlite"})
def read_study(root):
    from lol_lightning.experiments.store import TrialStore

    store = TrialStore(root / "a.sqlite")
    try:
        outcomes = store.outcomes(2)
        trials = [trial for name in outcomes for trial in store.trials(name)]
        return [list(outcomes.values()), [(t.value, t.params, t.user_attrs) for t in trials]]
    finally:
        store.close()


def _write_targets(root):
    from lol_lightning.functional.example_targets import ExampleTargets
    from lol_lightning.vision.target_files import save_targets

    index, value = torch.randint(9, (40, 2, 3)).to(torch.int16), torch.randn(40, 2, 3).half()
    save_targets(ExampleTargets(index, value, 9, torch.rand(40, 2), "log-odds", 0.3), root / "targets", "ours")


@reader(_write_targets, {".npy": "npy", ".json": "json"})
def read_targets(root):
    from lol_lightning.vision.target_files import load_targets

    targets = load_targets(root / "targets")
    targets.check_values()
    return [targets.demands(), targets.typical_magnitude]


def _labelers(path):
    from toy_images import toy_data

    from lol_lightning.vision.labeler_training import LabelerTraining

    data, training = toy_data(rows_per_class=2), LabelerTraining(path=path, epochs=1)
    return training.trained(training.untrained(data, torch.Tensor.float), data, [], torch.Tensor.float)


@reader(lambda root: _labelers(root / "a.pt"), {".pt": "torch"})
def read_labelers(root):
    labelers = _labelers(root / "a.pt")
    return [labelers.probabilities(torch.zeros(2, 8)), labelers.heads.weight, labelers.thresholds]


@reader(
    lambda root: torch.save({"conv1.weight": torch.ones(2, 3), "bn": torch.ones(2)}, root / "w.pt"), {".pt": "torch"}
)
def read_backbone_weights(root):
    from lol_lightning.vision.backbones import read_weights

    return read_weights(root / "w.pt")


def _write_features(root):
    from toy_images import ATTRIBUTES, CLASSES, VALUES, toy_data, toy_seen

    data = toy_data(rows_per_class=2)
    names = {"labels": np.array(CLASSES)[data.labels], "classes": CLASSES, "attributes": ATTRIBUTES}
    flags = {"seen_class": toy_seen().numpy(), "test": np.arange(20) < 4}
    np.savez(root / "a.npz", features=data.inputs.numpy(), class_attributes=VALUES.float().numpy(), **names, **flags)


def _of_data(data):
    assert len(data.inputs) == len(data.labels)
    assert not len(data.labels) or 0 <= data.labels.min() <= data.labels.max() < len(data.matrix.classes)
    assert data.matrix.values.shape == (len(data.matrix.classes), len(data.matrix.attributes))
    assert len(data.is_seen) == len(data.matrix.classes)
    return [data.inputs if isinstance(data.inputs, torch.Tensor) else 0, data.matrix.values]


@reader(_write_features, {".npz": "npz"})
def read_features(root):
    from lol_lightning.vision.awa import read_features as read

    return _of_data(read(root / "a.npz"))


@reader(lambda root: (root / "m.csv").write_text("class,flies,swims\nbat,1,0\neel,0,1\nowl,1,\n"), {".csv": "csv"})
def read_class_attributes(root):
    from lol_lightning.vision import ClassAttributeMatrix

    return ClassAttributeMatrix.from_csv(root / "m.csv").values


def _write_awa(root):
    from toy_images import write_awa

    write_awa(root, rows_per_class=1)


@reader(_write_awa)
def read_awa(root):
    from lol_lightning.vision.awa import read_awa as read

    data = read(root)
    return [*_of_data(data), data.inputs.read(torch.arange(len(data.inputs)))[0]]


IMAGES = ("png", "jpeg", "gif", "tiff", "webp", "bmp", "ppm")


def _write_images(root):
    pixels = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    for ending in IMAGES:
        Image.fromarray(pixels).save(root / f"a.{ending}")


@reader(_write_images)
def read_images(root):
    from lol_lightning.vision.images import ImageFiles

    images, _ = ImageFiles([root / f"a.{ending}" for ending in IMAGES], size=8).read(torch.arange(len(IMAGES)))
    assert images.shape == (len(IMAGES), 3, 8, 8)
    return images


def _write_embeddings(root):
    from lol_lightning.features.embedding_cache import EmbeddingCache, MemoryCache

    cache = EmbeddingCache("encoder", root / "cache", MemoryCache(2**20))
    cache.embed(NEW, lambda texts: np.array([[len(text), 0.5] for text in texts], np.float32))
    [path] = (root / "cache").rglob("*.npz")
    path.rename(root / "a.npz")
    path.parent.rmdir()
    (root / "cache").rmdir()


@reader(_write_embeddings, {".npz": "npz"})
def read_embeddings(root):
    from lol_lightning.features.embedding_files import read_embeddings as read

    return list(read(root / "a.npz").values())
