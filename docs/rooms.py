"""Reads the imports of the package and draws its rooms: ``python docs/rooms.py [PACKAGE] [--output rooms.png]``.

A room is a folder of the package, or a module beside the folders. An arrow goes from a room to one that it imports.
The order of ``ROOMS`` is the way of the data; an import may only go to a room that stands earlier in it.
"""

from __future__ import annotations

import argparse
import ast
from collections import Counter
from pathlib import Path

ROOMS = (
    "exceptions",
    "_files",
    "_lightning",
    "functional",
    "lfs",
    "features",
    "inspection",
    "data",
    "networks",
    "losses",
    "models",
    "label_model",
    "baselines",
    "vision",
    "experiments",
    "cli",
    "__main__",
    "__init__",
)
"""From the first to the last; ``__init__`` imports nothing until a name is asked for."""


def arrows(package: Path) -> Counter[tuple[str, str]]:
    """Count the imports from one room of a package to another; those for type checkers alone count, too."""
    found: Counter[tuple[str, str]] = Counter()
    for path in sorted(package.rglob("*.py")):
        source = room_of(path.relative_to(package).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = (
                    [node.module] if node.module != package.name else [f"{package.name}.{a.name}" for a in node.names]
                )
            for name in names:
                first, *rest = name.split(".")
                if first == package.name and rest and (target := room_of(tuple(rest))) != source:
                    found[source, target] += 1
    return found


def room_of(parts: tuple[str, ...]) -> str:
    """Return the first part of a module's path inside the package."""
    return parts[0]


def upward(found: Counter[tuple[str, str]], order: tuple[str, ...] = ROOMS) -> list[tuple[str, str]]:
    """Return the arrows to a room that does not stand earlier in the order."""
    place = {room: number for number, room in enumerate(order)}
    return [(a, b) for a, b in found if a != "__init__" and place.get(b, -1) >= place.get(a, len(order))]


def circles(found: Counter[tuple[str, str]]) -> list[set[str]]:
    """Return the sets of rooms that import each other, directly or through others."""
    rooms = {room for arrow in found for room in arrow} - {"__init__"}
    reach = {room: {b for a, b in found if a == room} & rooms for room in rooms}
    for via in rooms:
        for room in rooms:
            if via in reach[room]:
                reach[room] |= reach[via]
    groups = {frozenset(b for b in rooms if b in reach[a] and a in reach[b]) for a in rooms}
    return [set(group) for group in groups if group]


def loose_modules(package: Path) -> list[str]:
    """Return the modules beside the folders."""
    return sorted(path.stem for path in package.glob("*.py"))


def draw(found: Counter[tuple[str, str]], order: list[str], path: Path, title: str) -> None:
    """Draw a square for each import: its row is the room that imports, its column the room that is imported.

    Imports of earlier rooms lie below the diagonal (blue), those of later rooms above it (orange).
    """
    from matplotlib import pyplot as plt
    from matplotlib.patches import Rectangle

    size = 2.2 + 0.24 * len(order)
    figure, axes = plt.subplots(figsize=(size, size))
    place = {room: number for number, room in enumerate(order)}
    for (a, b), count in found.items():
        later = place[b] > place[a]
        side = 0.45 + 0.05 * min(count, 9)
        corner = place[b] - side / 2, place[a] - side / 2
        axes.add_patch(Rectangle(corner, side, side, color="#D55E00" if later else "#0072B2"))
    ticks = range(len(order))
    axes.plot([-0.5, len(order) - 0.5], [-0.5, len(order) - 0.5], color="0.6", linewidth=0.8)
    axes.set_xticks(ticks, order, rotation=90)
    axes.set_yticks(ticks, order)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set(xlim=(-0.5, len(order) - 0.5), ylim=(len(order) - 0.5, -0.5), aspect="equal")
    axes.grid(color="0.9", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_xlabel(title)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print the numbers, and draw the picture if a name is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", nargs="?", type=Path, default=Path(__file__).parents[1] / "lol_lightning")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args()
    found = arrows(options.package)
    rooms = {room for arrow in found for room in arrow} - {"__init__"}
    order = [room for room in ROOMS if room in rooms] if rooms <= set(ROOMS) else sorted(rooms)
    against = upward(found) if rooms <= set(ROOMS) else []
    numbers = {
        "rooms (folders and modules at the root)": len(rooms),
        "folders": sum((options.package / room).is_dir() for room in rooms),
        "modules at the root": len(loose_modules(options.package)),
        "arrows between rooms": sum((a, b) != ("__init__", b) for a, b in found),
        "arrows upward": len(against) if rooms <= set(ROOMS) else "no order",
        "rooms in circles": sum(map(len, circles(found))),
    }
    for name, value in numbers.items():
        print(f"{name:42} {value}")
    for group in circles(found):
        print("circle:", ", ".join(sorted(group)))
    if options.output is not None:
        kept = Counter({arrow: count for arrow, count in found.items() if arrow[0] != "__init__"})
        draw(kept, order, options.output, f"{options.package.name}: {len(rooms)} rooms, {len(kept)} arrows")


if __name__ == "__main__":
    main()
