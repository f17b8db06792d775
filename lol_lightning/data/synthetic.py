"""Made-up corpora: comments that a reader can follow, and large sparse ones for measurements of speed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.lfs.adapter import GradientLabelingFunction
from lol_lightning.lfs.rules.rules import keyword_lf, regex_lf, rules_lf

__all__ = [
    "HAM",
    "LABEL_NAMES",
    "SPAM",
    "SyntheticCorpus",
    "synthetic_comments",
    "synthetic_lfs",
    "synthetic_votes_and_rows",
]

HAM, SPAM = 0, 1
LABEL_NAMES = ("ham", "spam")

# Each list runs from frequent to rare. The LFs ask for the words of CAUGHT only; RELATED words stand beside them.
CAUGHT = {
    SPAM: (
        "subscribe", "http", "check this out", "please", "free", "channel", "click", "plz", "giveaway", "earn",
        "subscribers", "bonus", "visit", "promo", "cash", "signup", "followers", "discount", "jackpot", "coupon",
    ),
    HAM: (
        "song", "love", "voice", "beautiful", "music", "lyrics", "beat", "amazing", "melody", "chorus",
        "songs", "guitar", "dance", "singer", "tune", "album", "drums", "piano", "verse", "ballad",
    ),
}  # fmt: skip
RELATED = {
    SPAM: (
        "link", "page", "upload", "views", "money", "win", "site", "help", "today", "prize", "offer", "join", "share",
        "contest", "profile", "shop", "invest", "income", "gift", "trial", "blog", "server", "codes", "download",
    ),
    HAM: (
        "listen", "heart", "childhood", "memories", "concert", "radio", "summer", "goosebumps", "repeat", "legend",
        "cry", "party", "stage", "favourite", "perfect", "classic", "feel", "night", "crowd", "encore", "rhythm",
    ),
}  # fmt: skip
FILLERS = (
    "the", "i", "to", "and", "a", "you", "this", "of", "is", "it", "in", "that", "for", "so", "on", "have", "are",
    "with", "but", "just", "all", "not", "was", "be", "like", "at", "if", "me", "what", "can", "when", "he", "she",
    "they", "one", "who", "will", "no", "get", "as", "do", "people", "we", "from", "how", "really", "time", "know",
)  # fmt: skip
SYLLABLES = ("ba", "ko", "ri", "ta", "mu", "le", "no", "si", "du", "fe", "ga", "po", "vi", "zu", "ha", "wo")
SPAM_SHARE_OF_VIDEO = (0.15, 0.85, 0.3, 0.7, 0.5, 0.5, 0.5, 0.5)
TOKEN_KINDS = {"filler": 0.70, "caught": 0.09, "related": 0.11, "wrong": 0.02, "video": 0.08}


def synthetic_comments(num_rows: int = 1000, seed: int = 0, videos: Sequence[int] = (0, 1, 2, 3)) -> pd.DataFrame:
    """Make comments below videos, some of them spam.

    Words follow Zipf's law. A comment mixes fillers (a few real ones and a long tail of made-up ones) with words of
    its class, which the LFs of ``synthetic_lfs`` partly catch, a few words of the other class, which mislead the LFs,
    and names that belong to its video. The first videos draw much or little spam, so that in a small sample their
    names foretell the class; below other videos (4 to 7) they do not occur. What the LFs inspect holds everywhere.

    Args:
        num_rows: n.
        seed: of everything; equal arguments give equal comments.
        videos: videos 0 .. 7 under which the comments stand.

    Returns:
        DataFrame with ``text``, ``label`` (``HAM`` or ``SPAM``) and ``video``.

    Raises:
        ConfigurationError: if a video is unknown or there are no rows.

    Example:
        >>> synthetic_comments(3, seed=1).columns.tolist()
        ['text', 'label', 'video']
    """
    if num_rows < 1 or not videos or not set(videos) <= set(range(len(SPAM_SHARE_OF_VIDEO))):
        raise ConfigurationError(f"need at least one row and videos out of 0 .. 7, got {num_rows} rows, {videos}.")
    rng = np.random.default_rng(seed)
    video = rng.choice(videos, num_rows)
    label = (rng.random(num_rows) < np.asarray(SPAM_SHARE_OF_VIDEO)[video]).astype(np.int64)
    lengths = 3 + rng.poisson(np.where(label == SPAM, 9, 7))
    row = np.repeat(np.arange(num_rows), lengths)
    kind = rng.choice(list(TOKEN_KINDS), len(row), p=list(TOKEN_KINDS.values()))
    words = _zipf(rng, _fillers(), len(row))
    for cls in (HAM, SPAM):
        of_class = label[row] == cls
        for where, source in (
            ((kind == "caught") & of_class, CAUGHT[cls]),
            ((kind == "related") & of_class, RELATED[cls]),
            ((kind == "wrong") & of_class, CAUGHT[1 - cls] + RELATED[1 - cls]),
        ):
            words[where] = _zipf(rng, source, int(where.sum()), exponent=0.5)
    for of_video in np.unique(video):
        where = (kind == "video") & (video[row] == of_video)
        names = [f"{SYLLABLES[of_video]}{first}{second}x" for first in SYLLABLES[:3] for second in SYLLABLES[8:12]]
        words[where] = _zipf(rng, names, int(where.sum()))
    texts = [" ".join(comment) for comment in np.split(words, np.cumsum(lengths)[:-1])]
    return pd.DataFrame({"text": texts, "label": label, "video": video})


def synthetic_lfs() -> list[GradientLabelingFunction]:
    """Return the labeling functions of the comments: short lists of words, patterns, and a rule on the length.

    Example:
        >>> from types import SimpleNamespace
        >>> [lf(SimpleNamespace(text="plz subscribe")) for lf in synthetic_lfs()[:3]]
        [1, -1, 1]
    """
    return [
        keyword_lf("subscribe", ["subscribe"], SPAM),
        keyword_lf("link", ["http", "click", "visit"], SPAM),
        keyword_lf("please", ["please", "plz"], SPAM, match="token"),
        regex_lf("check_out", r"check.*out|channel", SPAM, flags="i"),
        keyword_lf("profit", ["free", "giveaway", "earn", "bonus", "promo", "cash", "discount", "jackpot"], SPAM),
        regex_lf("growth", r"\b(followers|signup|coupon)\b", SPAM),
        keyword_lf("song", ["song", "music", "melody", "tune"], HAM),
        keyword_lf("praise", ["love", "beautiful", "amazing"], HAM, match="token"),
        regex_lf("singing", r"\b(voice|lyrics|chorus|singer|verse|ballad)\b", HAM),
        keyword_lf("instrument", ["beat", "guitar", "drums", "piano", "dance", "album"], HAM),
        rules_lf("short", [{"label": HAM, "max_words": 5}]),
    ]


class SyntheticCorpus(NamedTuple):
    """A large sparse corpus without texts."""

    features: sp.csr_matrix
    """float32 (n, d), 0 or 1."""
    votes: np.ndarray
    """int8 (n, m) with class ids or ``ABSTAIN``."""
    gradient_targets: GradientTargets
    """The features that the LFs inspect."""

    def __repr__(self) -> str:
        return short_repr(self)


def synthetic_votes_and_rows(
    num_rows: int,
    num_features: int = 50_000,
    num_lfs: int = 10,
    num_classes: int = 2,
    words_per_row: int = 40,
    seed: int = 0,
    words_per_lf: int = 5,
) -> SyntheticCorpus:
    """Draw a bag of words under Zipf's law and the votes of keyword LFs on it; a million rows take seconds.

    LF i votes class ``i % num_classes`` where one of its ``words_per_lf`` features is present.

    Args:
        num_rows: n.
        num_features: d.
        num_lfs: m.
        num_classes: K.
        words_per_row: words drawn for each row; repeated ones count once.
        seed: of everything.
        words_per_lf: features that each LF inspects.

    Raises:
        ConfigurationError: if the features do not suffice for the LFs.

    Example:
        >>> corpus = synthetic_votes_and_rows(1000, num_features=500)
        >>> corpus.features.shape, corpus.votes.shape, len(corpus.gradient_targets)
        ((1000, 500), (1000, 10), 50)
    """
    num_inspected = num_lfs * words_per_lf
    if num_inspected > num_features:
        raise ConfigurationError(f"{num_lfs} LFs x {words_per_lf} words need more than {num_features} features.")
    rng = np.random.default_rng(seed)
    # The most frequent words are like stop-words: LFs ask for those that come after them where there is room.
    first = min(100, num_features - num_inspected)
    lf_of_feature = np.full(num_features, num_lfs)
    lf_of_feature[first : first + num_inspected] = rng.permutation(np.repeat(np.arange(num_lfs), words_per_lf))
    # One column more takes the words of no LF.
    votes = np.full((num_rows, num_lfs + 1), ABSTAIN, dtype=np.int8 if num_classes < 128 else np.int16)
    chunks = []
    for start in range(0, num_rows, 100_000):
        draws = rng.random((min(100_000, num_rows - start), words_per_row), dtype=np.float32)
        words = np.minimum(np.exp(draws * np.log(num_features + 1)).astype(np.int32) - 1, num_features - 1)
        words.sort(axis=1)
        distinct = np.diff(words, axis=1, prepend=-1) > 0
        chunks.append((words[distinct], distinct.sum(1)))
        row = start + np.repeat(np.arange(len(words)), chunks[-1][1])
        lf = lf_of_feature[chunks[-1][0]]
        votes[row, lf] = lf % num_classes
    indices = np.concatenate([words for words, _ in chunks])
    offsets = np.concatenate([[0], np.cumsum(np.concatenate([counts for _, counts in chunks]))])
    features = sp.csr_matrix(
        (np.ones(len(indices), np.float32), indices, offsets.astype(np.int32)), shape=(num_rows, num_features)
    )
    inspected = np.flatnonzero(lf_of_feature < num_lfs)
    entries = [
        (int(lf), int(lf % num_classes), int(j), 1.0) for j, lf in zip(inspected, lf_of_feature[inspected], strict=True)
    ]
    return SyntheticCorpus(
        features, votes[:, :num_lfs], GradientTargets.from_entries(entries, num_lfs, num_classes, num_features)
    )


def _fillers(tail: int = 2000) -> list[str]:
    rng = np.random.default_rng(0)
    parts = rng.choice(SYLLABLES, (2 * tail, 4))
    lengths = rng.integers(2, 5, 2 * tail)
    made_up = dict.fromkeys("".join(word[:length]) for word, length in zip(parts, lengths, strict=True))
    return [*FILLERS, *list(made_up)[:tail]]


def _zipf(rng: np.random.Generator, words: Sequence[str], size: int, exponent: float = 1.0) -> np.ndarray:
    weights = np.arange(1, len(words) + 1) ** -exponent
    return np.array(words, dtype=object)[rng.choice(len(words), size, p=weights / weights.sum())]
