"""Errors that the borders of the package raise: each names the offending value and the cure."""

__all__ = [
    "ConfigurationError",
    "DataError",
    "FeatureSpaceError",
    "LabelingFunctionError",
    "LoLError",
    "NotFittedError",
    "TargetsError",
    "VotesError",
]


class LoLError(ValueError):
    """Base class of every error that lol-lightning raises on bad input."""


class VotesError(LoLError):
    """A vote matrix with a wrong shape, dtype or value."""


class FeatureSpaceError(LoLError):
    """A feature space that is empty, not fitted, or does not fit the data."""


class TargetsError(LoLError):
    """Gradient targets that do not fit the LFs, the classes or the feature space."""


class DataError(LoLError):
    """Rows, labels or files that are missing, broken or do not fit each other."""


class LabelingFunctionError(LoLError):
    """A labeling function that is ill-defined or raised on a data point."""


class ConfigurationError(LoLError):
    """An argument of a model, a data module or the command line that cannot work."""


class NotFittedError(LoLError, AttributeError):
    """Something was asked of an estimator before it was fitted."""
