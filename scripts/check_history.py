#!/usr/bin/env python3
"""check_history.py RUN [--capture FILE --zero NS]: recomputes every window and figure of staleness from a run's raw
history and compares them with what the run wrote. With --capture, also holds a packet capture of the loopback traffic
against the history of the fleet whose zero (`zero_mono_ns` of the manifest) is NS.

One line per cell; each disagreement is a line with cell, subject, instance and both values. Exit codes: 0 all agree,
1 something disagrees, 2 the folder is not a run directory or the capture cannot be read.
Needs nothing but Python's standard library.
"""

import argparse
import json
import pathlib
import re
import sys

sys.dont_write_bytecode = True  # nothing is written beside the sources
from history import capture, compare, packets, recompute, tables  # noqa: E402


def document(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as why:
        raise tables.NotARun(f"{path}: {why}") from why


# What a cell says of staleness; figures that compare it with other cells stand in the summary alone.
OWN = ("role", "params", "instances", "validity", "staleness", "claim", "exposure")


def details(run, summary):
    """Every measured cell of summary.json with its own file; the floor makes no changes."""
    for cell in summary["cells"]:
        if cell["outcome"] == "measured" and cell["role"] != "floor":
            yield cell, document(run / "cells" / f"{cell['scenario']}.{cell['strategy']}.json")


def scopes_of(manifest):
    """What each scenario's change is scoped to, from the scenario files that the manifest keeps."""
    texts = {scenario["file"].removesuffix(".toml"): scenario["text"] for scenario in manifest["options"]["scenarios"]}
    named = ((re.search(r'^name *= *"([^"]+)"', text, re.M), re.search(r'^scope *= *"(\w+)"', text, re.M), file) for file, text in texts.items())
    return {name[1] if name else file: scope[1] for name, scope, file in named if scope}


def check_run(run):
    """Compares every cell; returns the problems."""
    summary = document(run / "summary.json")
    scopes = scopes_of(document(run / "manifest.json"))
    if not str(summary.get("schema", "")).startswith("revbench.run/"):
        raise tables.NotARun(f"{run / 'summary.json'} is not the summary of a run")
    try:
        rows = compare.read_rows(run / "changes.csv")
    except (OSError, KeyError) as why:
        raise tables.NotARun(f"{run / 'changes.csv'}: {why}") from why
    problems, indexes = [], {}
    for cell, detail in details(run, summary):
        name = f"{cell['scenario']}/{cell['strategy']} {cell['orientation']}"
        own = rows.pop((cell["scenario"], cell["strategy"], cell["orientation"]), [])
        problems += [f"{name}: {key} of summary.json and of the cell's own file differ" for key in OWN if cell[key] != detail["cell"][key]]
        if cell["strategy"] not in indexes:
            indexes[cell["strategy"]] = recompute.Index(tables.read(run / "history" / cell["strategy"]), cell["instances"])
        at, found = compare.compare_cell(detail, own, indexes[cell["strategy"]], scopes.get(cell["scenario"]))
        problems += at.problems
        if not at.problems:
            print(f"ok {name}: {len(found.judged)} changes, {at.compared} figures agree{f' (void: {found.void})' if found.void else ''}")
    problems += [f"changes.csv has rows of {' '.join(key)}, which is no measured cell" for key in rows]
    return problems


def check_capture(run, file, zero):
    """Holds a capture against the fleet of that zero; returns the problems."""
    fleets = {fleet["zero_mono_ns"]: fleet["strategy"] for fleet in document(run / "manifest.json")["fleets"]}
    if zero not in fleets:
        raise tables.NotARun(f"no fleet of {run} has its zero at {zero}: {', '.join(map(str, fleets))}")
    strategy = fleets[zero]
    cells = [detail for cell, detail in details(run, document(run / "summary.json")) if cell["strategy"] == strategy]
    if not cells:
        raise tables.NotARun(f"{strategy} has no measured cell")
    watches = {
        (detail["cell"]["scenario"], detail["cell"]["orientation"]): min(found) * recompute.NS_PER_MS
        for detail in cells
        if (found := compare.horizons([detail["windows"], detail["cell"]["staleness"]]))
    }
    at = compare.Comparison(f"capture of {strategy}")
    try:
        said = capture.check_capture(packets.segments(file), tables.read(run / "history" / strategy), cells[0]["cell"]["instances"], zero, at, watches)
    except (packets.NotACapture, capture.Mismatch) as why:
        raise tables.NotARun(f"{file}: {why}") from why
    if not at.problems:
        print(f"ok {at.name}: {said}")
    return at.problems


def main():
    parser = argparse.ArgumentParser(description="compares a run with its own raw history, and that with a packet capture")
    parser.add_argument("run", type=pathlib.Path, help="a run directory")
    parser.add_argument("--capture", type=pathlib.Path, metavar="FILE", help="pcap or pcapng of the loopback traffic of a fleet")
    parser.add_argument("--zero", type=int, metavar="NS", help="zero_mono_ns of that fleet in manifest.json")
    asked = parser.parse_args()
    if (asked.capture is None) != (asked.zero is None):
        parser.error("--capture and --zero go together")
    try:
        problems = check_run(asked.run)
        if asked.capture:
            problems += check_capture(asked.run, asked.capture, asked.zero)
    except tables.NotARun as why:
        print(f"cannot check: {why}", file=sys.stderr)
        return 2
    for problem in problems:
        print(f"differs {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
