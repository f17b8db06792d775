"""LoLDataLoader: batches in an order that its seed and the epoch decide, which a resumed fit takes up again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, RandomSampler

from lol_lightning._lightning import CombinedLoader
from lol_lightning.data.batch import LoLBatch
from lol_lightning.data.dataset import LoLDataset
from lol_lightning.functional.short_repr import short_repr

__all__ = ["EpochSampler", "LoLDataLoader", "NoLoaders"]

if TYPE_CHECKING:
    _Loader = DataLoader[LoLBatch]
else:
    _Loader = DataLoader


class EpochSampler(RandomSampler):
    """A random order of the rows that depends on a seed and the epoch alone.

    Lightning calls ``set_epoch``; in a loop of your own each pass is the next epoch.

    Args:
        data_source: the dataset.
        seed: of all orders.

    Example:
        >>> sampler = EpochSampler(range(5), seed=1)
        >>> first, second = list(sampler), list(sampler)
        >>> sampler.set_epoch(0)
        >>> list(sampler) == first != second
        True
    """

    __repr__ = short_repr

    def __init__(self, data_source: Any, seed: int) -> None:
        super().__init__(data_source)
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass be that of ``epoch``."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        """Yield each row once."""
        # Neighbouring seeds and epochs must not share orders, as their sums would.
        entropy = np.random.SeedSequence([self.seed % 2**64, self.epoch]).generate_state(1, np.uint64)
        self.epoch += 1
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(int(entropy[0]) % 2**63))
        yield from order.tolist()


class LoLDataLoader(_Loader):
    """A ``DataLoader`` of ``LoLDataset`` whose batches all hold the dataset's own gradient targets.

    Its state is the number of batches that were handed out in this pass, so that Lightning resumes in mid-epoch with
    the next one. It draws no number from the global generator.

    Args:
        dataset: the rows.
        shuffle: a new order in every epoch, see ``EpochSampler``.
        seed: of these orders; that of PyTorch's global generator if ``None``.
        options: others of ``DataLoader``.
    """

    def __init__(self, dataset: LoLDataset, shuffle: bool = False, seed: int | None = None, **options: Any) -> None:
        seed = torch.initial_seed() if seed is None else seed
        if shuffle:
            options["sampler"] = EpochSampler(dataset, seed)
        if options.get("generator") is None:
            options["generator"] = torch.Generator().manual_seed(seed % 2**63)
        super().__init__(dataset, **{"collate_fn": identity, **options})
        self._num_batches = self._num_to_skip = 0

    def __iter__(self) -> Iterator[LoLBatch]:  # type: ignore[override]
        """Yield the batches; after ``load_state_dict``, those that are left."""
        self._num_batches, self._num_to_skip = self._num_to_skip, 0
        batches = super().__iter__() if not self._num_batches else self._rest(self._num_batches)
        for batch in batches:
            self._num_batches += 1
            yield replace(batch, gradient_targets=self.dataset.gradient_targets)  # type: ignore[attr-defined]
        self._num_batches = 0

    def state_dict(self) -> dict[str, int]:
        """Return how many batches of this pass were handed out, and the seed of their order."""
        seed = {"seed": self.sampler.seed} if isinstance(self.sampler, EpochSampler) else {}
        return {"num_batches": self._num_batches, **seed}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Leave out the first batches of the next pass, unless that would leave none."""
        num_batches = int(state_dict["num_batches"])
        self._num_to_skip = num_batches if num_batches < len(self) else 0
        if isinstance(self.sampler, EpochSampler):
            self.sampler.seed = int(state_dict.get("seed", self.sampler.seed))

    def _rest(self, num_batches: int) -> Iterator[LoLBatch]:
        rest = list(islice(iter(self.batch_sampler or ()), num_batches, None))
        return iter(
            DataLoader(
                self.dataset,
                batch_sampler=rest,
                num_workers=self.num_workers,
                collate_fn=self.collate_fn,
                pin_memory=self.pin_memory,
                timeout=self.timeout,
                worker_init_fn=self.worker_init_fn,
                multiprocessing_context=self.multiprocessing_context,
                generator=self.generator,
                prefetch_factor=self.prefetch_factor,
            )
        )


def identity(batch: LoLBatch) -> LoLBatch:
    """Return a batch that the dataset has already put together."""
    return batch


class NoLoaders(CombinedLoader):
    """No loaders at all, and so no batches: what Lightning skips without a word.

    An empty list counts as one loader, of whose length 0 Lightning warns.

    Example:
        >>> list(NoLoaders())
        []
    """

    def __init__(self) -> None:
        super().__init__([], "sequential")

    @property
    def flattened(self) -> list[Any]:
        """The loaders: none."""
        return []

    @flattened.setter
    def flattened(self, flattened: list[Any]) -> None:
        """Lightning puts the loaders back that it has read."""

    def __repr__(self) -> str:
        return "NoLoaders()"
