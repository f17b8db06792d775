"""What a labeling function looks at: declared, traced, probed or read off its votes, with one order of trust."""

from lol_lightning.inspection._inspect import inspect_lfs
from lol_lightning.inspection.lf_inspection import LFInspection
from lol_lightning.inspection.summary import describe_records, lf_summary

__all__ = ["LFInspection", "describe_records", "inspect_lfs", "lf_summary"]
