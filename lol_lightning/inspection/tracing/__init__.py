"""What an LF reads and asks for, recorded while it runs on an instrumented data point."""

from lol_lightning.inspection.tracing._tracing import run_traced, trace_lf, trace_lfs

__all__ = ["run_traced", "trace_lf", "trace_lfs"]
