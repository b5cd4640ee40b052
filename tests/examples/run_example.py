"""Runs an example and compares what it prints with its recorded output.

    run_example.py build/examples/mlp examples/mlp.out [--update]

The record is a transcript: its first line is the command (`$ mlp --epochs 1`), the others are what it prints. In these

    <*>              stands for any text within a line (a time, a name of a machine),
    <0.512 ± 0.02>   for a number within that distance,

everything else is compared literally. The example runs in an empty folder of its own. --update records anew and keeps
the lines with such marks where they still match.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from itertools import zip_longest

MARK = re.compile(r"<\*>|<(?P<value>[-+.\de]+) ± (?P<distance>[-+.\de]+)>")
UNDERWAY = re.compile(r"  step \d+ of \d+  .* left$")
NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?inf|nan)"


def matches(recorded: str, printed: str) -> bool:
    """Whether a printed line is what the recorded line describes."""
    pattern, tolerances, position = "", [], 0
    for mark in MARK.finditer(recorded):
        pattern += re.escape(recorded[position : mark.start()])
        if mark["value"] is None:
            pattern += ".*"
        else:
            pattern += NUMBER
            tolerances.append((float(mark["value"]), float(mark["distance"])))
        position = mark.end()
    pattern += re.escape(recorded[position:])
    found = re.fullmatch(pattern, printed)
    return found is not None and all(
        abs(float(text) - value) <= distance for text, (value, distance) in zip(found.groups(), tolerances)
    )


def visible(output: str) -> list[str]:
    """The lines a reader is left with: a carriage return starts a line over, as progress bars do; the lines on the way to
    a last state, which only a slow machine prints, are left out."""
    lines = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in output.removesuffix("\n").split("\n")]
    return [line for line in lines if not UNDERWAY.search(line)]


def difference(recorded: list[str], printed: list[str]) -> str | None:
    """The first line that differs, as a message; None if all match."""
    for number, (want, got) in enumerate(zip_longest(recorded, printed), start=1):
        if want is None or got is None or not matches(want, got):
            show = lambda line: "(nothing)" if line is None else line
            return f"line {number}\n  recorded: {show(want)}\n  printed:  {show(got)}"
    return None


def updated(recorded: list[str], printed: list[str]) -> list[str]:
    """The printed lines, or for each of them the next recorded line with marks that matches it."""
    marked = [line for line in recorded if MARK.search(line)]
    lines = []
    for line in printed:
        keep = next((index for index, old in enumerate(marked) if matches(old, line)), None)
        lines.append(line if keep is None else marked[keep])
        if keep is not None:
            del marked[: keep + 1]
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("executable")
    parser.add_argument("record")
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()

    name = os.path.basename(options.executable)
    recorded = []
    if os.path.exists(options.record):
        with open(options.record, encoding="utf-8") as file:
            recorded = file.read().removesuffix("\n").split("\n")
    elif not options.update:
        print(f"{options.record} is missing; record it with --update")
        return 1
    command = recorded[0] if recorded and recorded[0].startswith("$ ") else f"$ {name}"

    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            [os.path.abspath(options.executable), *shlex.split(command)[2:]],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, encoding="utf-8",
        )
    if run.returncode != 0:
        print(run.stdout)
        print(f"{command[2:]} ended with {run.returncode}")
        return 1
    printed = visible(run.stdout)

    if options.update:
        with open(options.record, "w", encoding="utf-8") as file:
            file.write("\n".join([command, *updated(recorded[1:], printed)]) + "\n")
        return 0
    problem = difference(recorded, [command, *printed])
    if problem is not None:
        print(run.stdout)
        print(f"{command[2:]} does not print what {options.record} records: {problem}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
