"""Damage to files: bytes that are lost or changed, and contents that are well-formed and wrong.

Every function takes a ``random.Random``, so that the long run (``fuzz.py``) draws by number and Hypothesis may shrink.
"""

import copy
import io
import json
import math
import sqlite3
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import torch
import yaml

WILD = (
    *(None, True, False, 0, 1, -1, 2, 7, 255, 2**31, 2**40, 2**63, 10**30, -(10**12), 0.5, -0.0, 1e-300, 1e308),
    *(math.nan, math.inf, -math.inf, "", "a", "\x00", "@tensor", "../../etc/passwd", "x" * 5000, "9" * 5000),
    *([], {}, [[]], [None], {"a": 1}, [1e308] * 3, list(range(50)), {"@tensor": "float32", "shape": [2**40]}),
)
DTYPES = ("float64", "float32", "float16", "int64", "int8", "uint8", "bool", "complex64", "S3", "U2", "longdouble")
DEPTHS = (90, 101, 3000, 100_000)


def mutate(rng, content, form):
    """Return other content: damage to the bytes, or a well-formed file of ``form`` with a wrong part."""
    structural = STRUCTURAL.get(form)
    if structural is None or rng.random() < 0.4:
        return damaged(rng, content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return structural(rng, content)


def damaged(rng, content):
    """Change, lose, repeat, add or move bytes in one to four places."""
    for _ in range(rng.randint(1, 4)):
        start = rng.randint(0, max(len(content) - 1, 0))
        stop = start + rng.choice([1, 1, 2, 4, 8, 40])
        part = content[start:stop]
        changes = [b"", part * 2, part[::-1], bytes(len(part)), b"\xff" * len(part), part + b"9" * rng.randint(1, 30)]
        changes.append(bytes(rng.randint(0, 255) for _ in part))
        changes.append(bytes(byte ^ (1 << rng.randint(0, 7)) for byte in part))
        content = content[:start] + rng.choice(changes) + (b"" if rng.random() < 0.1 else content[stop:])
    return content


def in_json(rng, content):
    """JSON with a wrong value, key or depth."""
    if rng.random() < 0.1:
        depth, (left, right) = rng.choice(DEPTHS), rng.choice([("[", "]"), ('{"a":', "}"), ("[", "")])
        deep = left * depth + "1" + right * depth
        text = json.dumps(in_tree(rng, json.loads(content), ["DEEP"]))
        return text.replace('"DEEP"', deep, 1).encode()
    text = json.dumps(in_tree(rng, json.loads(content)))
    if rng.random() < 0.05:  # A key twice.
        text = text.replace("{", '{"a": 1, "a": 2, ', 1)
    return text.encode()


def in_yaml(rng, content):
    """YAML with a wrong value, a tag of Python, or references that multiply."""
    kind = rng.random()
    if kind < 0.1:
        depth = rng.choice(DEPTHS[:3])
        return content + b"\nmore: " + b"[" * depth + b"]" * depth
    if kind < 0.2:
        laughs = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, rng.choice([3, 9, 30]))]
        return b"l0: &l0 [ha]\n" + "\n".join(laughs).encode() + b"\n" + content
    if kind < 0.3:
        tag = rng.choice(["!!python/object/apply:os.getcwd []", "!unknown x", "&a [*a]", "!!binary x", "2024-13-45"])
        return yaml.safe_dump(in_tree(rng, yaml.safe_load(content), ["DEEP"])).replace("DEEP", tag).encode()
    return yaml.safe_dump(in_tree(rng, yaml.safe_load(content))).encode()


def in_csv(rng, content):
    """A table with a wrong cell, line or column."""
    rows = [line.split(",") for line in content.decode().splitlines()]
    row = rng.choice(rows)
    kind = rng.randint(0, 4)
    if kind == 0:
        rows.remove(row)
    elif kind == 1:
        rows.insert(rng.randint(0, len(rows)), list(row))
    elif kind == 2:
        column = rng.randrange(len(row))
        rows = [other[:column] + other[column + 1 :] for other in rows]
    else:
        row[rng.randrange(len(row))] = str(rng.choice(WILD))
    return "\n".join(map(",".join, rows)).encode("utf-8", "surrogatepass") + b"\n"


def in_npz(rng, content):
    """An archive of arrays, one of which is lost, exchanged or wrong; its checksums are right."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = rng.choice(list(members))
    kind = rng.random()
    if kind < 0.1:
        del members[name]
    elif kind < 0.2:
        members[name] = members[rng.choice(list(members))]
    elif kind < 0.25:
        members[rng.choice(["added.npy", "../up.npy", "json", "a/"])] = members[name]
    elif kind < 0.4:
        members[name] = damaged(rng, members[name])
    else:
        members[name] = in_npy(rng, members[name])
    return _zipped(rng, members)


def in_npy(rng, content):
    """An array of other values, another type or shape, or one with a header that promises more."""
    array = np.lib.format.read_array(io.BytesIO(content))
    if array.dtype == np.uint8 and array.ndim == 1 and array[:1].tobytes() in (b"{", b"["):
        array = np.frombuffer(in_json(rng, array.tobytes()), dtype=np.uint8)
    elif rng.random() < 0.3:
        header = {"descr": array.dtype.str, "fortran_order": rng.random() < 0.3, "shape": array.shape}
        shapes = [(2**40,), (2**62, 4), (-1,), (0,), (True,), (*array.shape, 1), array.shape[::-1], array.shape[1:]]
        shapes += [(len(array.reshape(-1)),), (10**30,)]
        header[rng.choice(["shape", "shape", "descr"])] = rng.choice(shapes)
        if not isinstance(header["descr"], str):
            header["descr"] = rng.choice(["<f8", ">f4", "|O", "<f16", "|S0", "<M8[s]", [("a", "<f4")], "<U1", "|V4"])
        buffer = io.BytesIO()
        np.lib.format.write_array_header_1_0(buffer, header)
        return buffer.getvalue() + array.tobytes()
    else:
        array = _array(rng, array)
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def in_torch(rng, content):
    """A file of torch.save with another value, tensor or key, or a damaged member; its checksums are right."""
    if rng.random() < 0.3:
        archive = zipfile.ZipFile(io.BytesIO(content))
        members = {info.filename: archive.read(info) for info in archive.infolist()}
        name = rng.choice([*members, next(name for name in members if name.endswith("data.pkl"))])
        members[name] = damaged(rng, members[name])
        return _zipped(rng, members)
    buffer = io.BytesIO()
    torch.save(in_tree(rng, torch.load(io.BytesIO(content), weights_only=True)), buffer)
    return buffer.getvalue()


def in_sqlite(rng, content):
    """A database of which a table, a line or a value is another."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "db"
        path.write_bytes(content)
        with sqlite3.connect(path) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            table = rng.choice(tables)
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            kind = rng.random()
            if kind < 0.1:
                connection.execute(f"DROP TABLE {table}")
            elif kind < 0.2:
                connection.execute(f"DELETE FROM {table} WHERE rowid % 2 = {rng.randint(0, 1)}")
            else:
                value = rng.choice([*WILD[:30], b"\xff", "RUNNING", "not json", "{", "1e999", "NaN", "[1", '"x"'])
                if isinstance(value, int) and not -(2**63) <= value < 2**63:
                    value = str(value)
                text = connection.execute(f"SELECT {(column := rng.choice(columns))} FROM {table} LIMIT 1").fetchone()
                if text and isinstance(text[0], str) and text[0][:1] in ("{", "[") and rng.random() < 0.7:
                    value = in_json(rng, text[0].encode()).decode()
                for _ in range(20):  # Keys may not be what they like.
                    try:
                        connection.execute(f"UPDATE {table} SET {column} = ?", (value,))
                        break
                    except sqlite3.Error:
                        value = rng.choice([None, "a", 3, -1, 0.5])
        connection.close()
        return path.read_bytes()


STRUCTURAL = {
    "json": in_json,
    "yaml": in_yaml,
    "csv": in_csv,
    "npz": in_npz,
    "npy": in_npy,
    "torch": in_torch,
    "sqlite": in_sqlite,
}


def in_tree(rng, tree, values=WILD):
    """Return dicts and lists of which one part is wrong, lost, added or exchanged."""
    places = list(_places(tree))
    if not places:
        return rng.choice(values)
    holder, key = rng.choice(places)
    value, kind = holder[key], rng.random()
    if values is not WILD or kind < 0.35:
        holder[key] = rng.choice(values)
    elif kind < 0.5:
        del holder[key]
    elif kind < 0.6 and isinstance(holder, dict):
        holder[rng.choice(["a", "", "@tensor", "kind", "class", "__class__"])] = copy.deepcopy(value)
    elif kind < 0.7:
        other, place = rng.choice(places)
        holder[key] = copy.deepcopy(other[place])
    else:
        holder[key] = _other(rng, value)
    return tree


def _places(tree):
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, dict | list):
            children = list(node.items() if isinstance(node, dict) else enumerate(node))[:200]
            yield from ((node, key) for key, _ in children)
            stack += [child for _, child in children]


def _other(rng, value):
    if isinstance(value, torch.Tensor):
        return _tensor(rng, value)
    if isinstance(value, bool) or value is None:
        return rng.choice(WILD)
    if isinstance(value, int | float):
        return rng.choice([value + 1, value - 1, -value, value * 10**6, value / 3, str(value), [value]])
    if isinstance(value, str):
        cut = rng.randint(0, len(value))
        return rng.choice(
            [value[:cut], value * 2, value.upper(), value[:cut] + "\u0130" + value[cut:], [value], "()*["]
        )
    if isinstance(value, list):
        return rng.choice([value * 2, value[:-1], value[::-1], [*value, None], dict(enumerate(value)), value * 1000])
    return rng.choice([{}, {**value, "a": 1}, list(value), list(value.values())]) if isinstance(value, dict) else None


def _tensor(rng, tensor):
    if tensor.dtype == torch.uint8 and tensor.ndim == 1 and bytes(tensor[:1].tolist()) == b"{":
        return torch.frombuffer(bytearray(in_json(rng, bytes(tensor.tolist()))), dtype=torch.uint8)
    kind = rng.randint(0, 6)
    if kind == 0:
        return tensor.reshape(-1)[:-1].clone() if tensor.numel() else torch.ones(3)
    if kind == 1:
        return torch.zeros(1, dtype=tensor.dtype).expand(rng.choice([3, 2**40]))
    if kind == 2:
        return rng.choice([torch.eye(2).to_sparse(), torch.ones(2, dtype=torch.complex64), torch.tensor(float("nan"))])
    if kind == 3:
        return tensor.to(rng.choice([torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool]))
    if kind == 4:
        return tensor.t().clone() if tensor.ndim == 2 else tensor.unsqueeze(0)
    return torch.from_numpy(_values(rng, tensor.float().numpy())) if tensor.numel() else torch.ones(2)


def _array(rng, array):
    kind = rng.randint(0, 4)
    if kind == 0:
        return array.reshape(-1)[:-1]
    if kind == 1:
        return array[None] if rng.random() < 0.5 else np.concatenate([array.reshape(-1)] * 2)
    if kind == 2:
        try:
            return array.astype(rng.choice(DTYPES))
        except ValueError:
            return array.astype(object)
    return _values(rng, array)


def _values(rng, array):
    array = array.copy()
    if array.size and array.dtype.kind in "iuf":
        wild = [0, -1, 1e30, 127, 2**31 - 1, math.nan, math.inf, -math.inf] if array.dtype.kind == "f" else [0, 1, 127]
        array.reshape(-1)[rng.randrange(array.size)] = rng.choice(wild)
    return array


def _zipped(rng, members):
    buffer = io.BytesIO()
    kind = rng.choice([zipfile.ZIP_STORED] * 6 + [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
    with zipfile.ZipFile(buffer, "w", kind) as out:
        for name, member in members.items():
            out.writestr(name, member)
    return buffer.getvalue()
