"""Files that something happened to: what every reader is tried on."""

import io
import os
import zipfile

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

FUZZ = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "150")),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
"""How many broken files each reader is tried on: FUZZ_EXAMPLES, or a few."""


@st.composite
def broken(draw, content):
    """Bytes that were changed, lost, repeated, added or moved in one to four places."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, max(len(content) - 1, 0)))
        stop = start + draw(st.integers(1, 40))
        part = content[start:stop]
        part = draw(
            st.sampled_from([b"", part * 2, part[::-1], b"\x00" * len(part), b"\xff" * len(part)])
            | st.binary(min_size=len(part), max_size=len(part))
            | st.binary(max_size=8)
        )
        end = draw(st.sampled_from([content[stop:]] * 5 + [b""]))
        content = content[:start] + part + end
    return content


@st.composite
def broken_members(draw, content):
    """A zip with valid checksums, one of whose members is broken, lost or exchanged for another."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    members = {info: archive.read(info) for info in archive.infolist()}
    chosen = draw(st.sampled_from(list(members)))
    kind = draw(st.sampled_from(["broken"] * 6 + ["lost", "exchanged", "added"]))
    if kind == "broken":
        members[chosen] = draw(broken(members[chosen]))
    elif kind == "exchanged":
        members[chosen] = members[draw(st.sampled_from(list(members)))]
    elif kind == "lost":
        del members[chosen]
    else:
        members["added.npy"] = members[chosen]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for info, member in members.items():
            out.writestr(info, member)
    return buffer.getvalue()
