"""What changes an LF's vote when it is taken away: words of texts, values of columns."""

from lol_lightning.inspection.probing._probe_settings import ProbeSettings
from lol_lightning.inspection.probing._probing import probe_lfs
from lol_lightning.inspection.probing._probing_table import probe_table

__all__ = ["ProbeSettings", "probe_lfs", "probe_table"]
