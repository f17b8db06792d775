"""Try every reader on many damaged files: ``python tests/helpers/fuzz.py --inputs 20000``, or ``make fuzz``.

Each reader runs in child processes with a limit of memory: one that ends, hangs or needs too much is seen, counted as a
fault, and the run goes on behind that input. Input i of a reader is always the same; ``--reader NAME --only i`` repeats
it with its traceback. The list of readers and the damage are those of the tests, which is why this stands beside them.
"""

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

MEMORY = 2 * 2**30
"""Bytes that a child may take beside those that it has once everything is imported."""
STALL_S = 60
"""A reader that takes longer for one small file hangs."""


def child(name, start, stop):
    """Try inputs in this process, one line of output each: the number, then its outcome."""
    import torch
    from mutations import mutate
    from readers import READERS

    torch.set_num_threads(1)
    reader = READERS[name]
    reader.contents()
    print("ready", flush=True)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    with tempfile.TemporaryDirectory() as root:
        for number in range(start, stop):
            print(number, end=" ", flush=True)
            try:
                outcome = reader.try_on(random.Random(f"{name} {number}"), mutate, root)
            except (Exception, SystemExit) as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                first = str(error).strip().partition("\n")[0][:150]
                outcome = f"{type(error).__name__}: {first} ({Path(place.filename).name}:{place.lineno})"
            print(outcome.replace("\n", " "), flush=True)


def tried(name, inputs, directory, show):
    """Run children until every input of a reader was tried; return counts and faults."""
    counts, faults, start = Counter(), {}, 0
    while start < inputs:
        output = Path(directory) / f"{name}-{start}"
        command = [
            sys.executable,
            __file__,
            "--child",
            "--reader",
            name,
            "--start",
            str(start),
            "--inputs",
            str(inputs),
        ]
        with output.open("wb") as out, Path(f"{output}.err").open("wb") as err:
            process = subprocess.Popen(command, stdout=out, stderr=err)
            size, since = -1, time.monotonic()
            while process.poll() is None:
                time.sleep(0.2)
                if output.stat().st_size != size:
                    size, since = output.stat().st_size, time.monotonic()
                    show(name, start, output, counts, faults)
                elif time.monotonic() - since > STALL_S:
                    process.kill()
        lines = output.read_text(errors="replace").split("\n")
        if lines[0] != "ready":
            raise SystemExit(f"{name} did not start:\n{Path(f'{output}.err').read_text()[-2000:]}")
        for line in lines[1:]:
            number, _, outcome = line.partition(" ")
            if not number:
                continue
            if outcome in ("accepted", "refused"):
                counts[outcome] += 1
            else:
                error = Path(f"{output}.err").read_text(errors="replace").strip().split("\n")[-1][:150]
                faults[int(number)] = outcome or f"the process ended with {process.returncode} {error}"
            start = int(number) + 1
    return counts, faults


def main():
    """Parse options, try the readers and print the table; the exit code says whether there were faults."""
    parser = argparse.ArgumentParser(description="Try every reader of a file on damaged files.")
    parser.add_argument("--inputs", type=int, default=20_000, help="damaged files for each reader")
    parser.add_argument("--reader", nargs="*", help="names of readers; all by default")
    parser.add_argument("--only", type=int, help="repeat one input, in this process")
    parser.add_argument("--start", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(options.reader[0], options.start, options.inputs)
    from mutations import mutate
    from readers import READERS

    if options.only is not None:
        rng = random.Random(f"{options.reader[0]} {options.only}")
        with tempfile.TemporaryDirectory() as root:
            print(READERS[options.reader[0]].try_on(rng, mutate, root))
        return None
    table = []
    with tempfile.TemporaryDirectory() as directory:
        for name in options.reader or READERS:
            counts, faults = tried(name, options.inputs, directory, show)
            table.append((name, options.inputs, counts["accepted"], counts["refused"], len(faults)))
            print(f"\r{' ' * 78}\r{_line(table[-1])}", flush=True)
            for number, fault in list(faults.items())[:200]:
                print(f"  {name} {number}: {fault}", flush=True)
    print("\n" + _line(("reader", "inputs", "accepted", "refused", "faults")))
    print("\n".join(map(_line, table)))
    return sys.exit(any(faults for *_, faults in table))


def show(name, start, output, counts, faults):
    """Show progress on a terminal."""
    if sys.stderr.isatty():
        done = start + output.read_bytes().count(b"\n") - 1
        print(f"\r{name}: {done} inputs, {len(faults)} faults so far", end="", file=sys.stderr, flush=True)


def _line(cells):
    return "{:<24}{:>9}{:>10}{:>9}{:>8}".format(*cells)


if __name__ == "__main__":
    main()
