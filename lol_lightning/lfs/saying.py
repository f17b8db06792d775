"""Lines that tell what was decided, at the level "info", once in a distributed run."""

from __future__ import annotations

__all__ = ["say"]


def say(line: str) -> None:
    """Log a line on rank 0."""
    # Lightning takes seconds to import, and few programs come here.
    from lol_lightning._lightning import rank_zero_info

    rank_zero_info(line)
