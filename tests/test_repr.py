"""Every public object is one short line, and a table in a notebook where it is tabular."""

import dataclasses
import importlib
import inspect
import pkgutil

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import lol_lightning
from lol_lightning import (
    BagOfWords,
    GradientPenalty,
    LoLClassifier,
    LoLDataModule,
    LoLLabelModel,
    LoLLoss,
    inspect_lfs,
    keyword_lf,
)
from lol_lightning.baselines.dawid_skene import DawidSkene
from lol_lightning.baselines.majority import MajorityVote
from lol_lightning.baselines.pseudolabels import SnorkelModel
from lol_lightning.baselines.triplets import TripletModel
from lol_lightning.data.matrix import MatrixDataModule
from lol_lightning.data.options import Classes, ClassShares, LoaderOptions, ModelDefaults
from lol_lightning.data.wrench import WrenchSplit
from lol_lightning.experiments.label_models import FirstLabels
from lol_lightning.features import ColumnFeatures, TableFeatures, TextEmbeddings
from lol_lightning.features.cached_encoder import CachedEncoder
from lol_lightning.features.embedding_cache import EmbeddingCache, MemoryCache
from lol_lightning.features.encoder_loading import NamedEncoder
from lol_lightning.functional.short_repr import MAX_LENGTH, short_value
from lol_lightning.lfs.record import InspectedFeature, LFRecord
from lol_lightning.lfs.rules.rule_types import RegexRule, SubstringRule

TEXTS = [f"word{i} prize song" for i in range(300)]
WORDS = [f"word{i}" for i in range(300)]
LFS = [keyword_lf("prize", WORDS, 1), keyword_lf("song", ["song"], 0), keyword_lf("rest", WORDS, 0)]
VOTES = np.tile([[1, 0, 0], [1, -1, 0], [0, 0, 1]], (100, 1))
MANY = [f"class {i}" for i in range(1000)]

# Classes that print as their base in PyTorch or Python does, or that nobody makes by hand.
PRINTED_BY_OTHERS = (nn.Module, torch.optim.Optimizer, BaseException, str, torch.utils.data.DataLoader)
INTERNAL = (
    "cli",
    "_files",
    "inspection.probing",
    "inspection.tracing",
    "inspection._budget",
    "vision._",
    "lfs.rules._",
)


@pytest.fixture(scope="module")
def data():
    module = LoLDataModule(TEXTS, lfs=LFS, classes=2, progress_bar=False)
    module.setup("fit")
    return module


@pytest.fixture(scope="module")
def label_model():
    model = LoLLabelModel(2, verbose=False)
    model.fit(VOTES, X=TEXTS, lfs=LFS, n_epochs=1, progress_bar=False)
    return model


def objects(data, label_model):
    matrix = MatrixDataModule(np.eye(300), votes=VOTES, classes=2)
    batch = next(iter(data.train_dataloader()))
    terms = LoLLoss(GradientPenalty(), class_shares=None)(label_model.classifier_.network, batch)
    record = LFRecord("x" * 500, tuple(InspectedFeature("long " * 100 + word, 1) for word in WORDS), notes=("a",) * 99)
    table = TableFeatures().fit(pd.DataFrame({word: [1.0, 2.0] for word in WORDS}))
    yield from [data, matrix, label_model, LoLLabelModel(), label_model.classifier_, LoLClassifier(), LoLLoss()]
    yield from [label_model.vote_model_, data.gradient_targets, data.dataset("train"), batch, batch.features, terms]
    yield from [
        record,
        LFRecord("none"),
        *data.records,
        *LFS,
        inspect_lfs(LFS, TEXTS, probed=False, progress_bar=False),
    ]
    yield from [BagOfWords(), data.feature_space, table, GradientPenalty(), SubstringRule(1, WORDS), LFS[0]._f]
    embeddings = TextEmbeddings(lambda texts: np.ones((len(texts), 2)), progress_bar=False).fit(TEXTS)
    columns = ColumnFeatures({f"part {i}" * 50: BagOfWords() for i in range(50)})
    yield from [embeddings, TextEmbeddings("a" * 500), TextEmbeddings(None), columns, ColumnFeatures({"a": embeddings})]
    yield from [NamedEncoder("a" * 500), CachedEncoder(), MemoryCache(10), EmbeddingCache("a", "folder" * 100)]
    yield from [RegexRule(1, "a|" * 1000 + "b"), Classes(MANY), Classes(number=3, balance=[1, 2, 1]), LoaderOptions()]
    yield from [ClassShares(np.full(1000, 0.001)), ModelDefaults(lf_weights=[0.5] * 1000), data._voters]
    yield from [WrenchSplit(pd.DataFrame({"text": TEXTS}), VOTES)]
    for make in (DawidSkene, MajorityVote, SnorkelModel, TripletModel, FirstLabels):
        yield make(2)
        if make is not SnorkelModel:
            yield make(2).fit(VOTES)


def test_every_object_is_one_short_line_that_names_its_class(data, label_model):
    for thing in objects(data, label_model):
        line = repr(thing)
        assert "\n" not in line, type(thing)
        assert len(line) <= MAX_LENGTH, (type(thing), line)
        assert line.startswith(type(thing).__name__), line
        assert " object at 0x" not in line


def test_no_public_class_falls_back_to_the_default():
    """A class whose line is Python's default, or a data class full of arrays, would name nothing or everything."""
    seen, bare = [], []
    for module in pkgutil.walk_packages(lol_lightning.__path__, "lol_lightning."):
        short = module.name.removeprefix("lol_lightning.")
        if module.name.endswith("__main__") or short.startswith(INTERNAL):
            continue
        code = importlib.import_module(module.name)
        for name in getattr(code, "__all__", []):
            cls = getattr(code, name)
            if not inspect.isclass(cls) or cls.__module__ != module.name or issubclass(cls, PRINTED_BY_OTHERS):
                continue
            if inspect.isabstract(cls) or getattr(cls, "_is_protocol", False):
                continue
            seen.append(name)
            if not any("__repr__" in vars(base) for base in cls.__mro__[:-1]):
                bare.append(f"{module.name}.{name}")
            if dataclasses.is_dataclass(cls):
                holds_arrays = any("Tensor" in str(f.type) or "ndarray" in str(f.type) for f in dataclasses.fields(cls))
                generated = cls.__repr__.__code__.co_filename.endswith("dataclasses.py")
                if holds_arrays and generated:
                    bare.append(f"{module.name}.{name}")
    assert "\n".join(bare) == ""
    assert len(seen) > 30


def test_what_was_fitted_is_named(data, label_model):
    assert repr(label_model) == "LoLLabelModel(cardinality=2, fitted on 3 LFs, with a classifier of 302 features)"
    assert repr(label_model.classifier_) == (
        "LoLClassifier(num_classes=2, num_features=302, network=SparseMLP, reads=BagOfWords(302 features))"
    )
    assert repr(LoLClassifier()) == "LoLClassifier(num_classes=?, num_features=?, network=open, reads=features)"
    assert "confusions_=float64 (3, 2, 3)" in repr(DawidSkene(2).fit(VOTES))
    assert "confusions_" not in repr(DawidSkene(2))
    assert repr(data.records[1]) == "LFRecord('song', [song: 0])"
    assert repr(data.gradient_targets).startswith("GradientTargets(")
    assert repr(Classes(MANY)) == (
        "Classes(names=['class 0', 'class 1', 'class 2', 'class 3', ... 1000 in all], number=1000, balance=None)"
    )


def test_tables_in_a_notebook(data, label_model):
    fresh = LoLDataModule(TEXTS, lfs=LFS, classes=2, progress_bar=False)
    matrix = MatrixDataModule(np.eye(300), votes=VOTES, classes=2)
    matrix.setup("fit")
    tables = {
        data: "prize",
        fresh: "300",
        matrix: "lf_2",
        label_model: "weight",
        LoLLabelModel(): "not fitted",
        data.records[0]: "word7",
        data.gradient_targets: "targets",
        inspect_lfs(LFS, TEXTS, probed=False, progress_bar=False): "Polarity",
    }
    for thing, word in tables.items():
        html = thing._repr_html_()
        assert "<table" in html, type(thing)
        assert word in html, type(thing)
        assert len(html) < 60_000
    assert "<b>" not in LFRecord("<b>", (InspectedFeature("<b>", 1),))._repr_html_()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (torch.zeros(3, 4), "float32 (3, 4)"),
        (torch.tensor(2.0), "2.0"),
        (np.array([1.0, 0.3333333]), "[1, 0.3333]"),
        (pd.DataFrame({"a": [1]}), "DataFrame (1, 1)"),
        ({i: i for i in range(9)}, "{0: 0, 1: 1, 2: 2, 3: 3, ... 9 in all}"),
        ((1, 2), "(1, 2)"),
        (nn.Sequential(nn.Linear(2, 2)), "Sequential"),
        (np.mean, "mean"),
    ],
)
def test_values(value, expected):
    assert short_value(value) == expected
