#!/usr/bin/env python3
"""check_history.py RUN [--partial-history] [--capture FILE --zero NS]: recomputes every window and figure of staleness from
a run's raw history and compares them with what the run wrote. With --capture, also holds a packet capture of the loopback
traffic against the history of the fleet whose zero (`zero_mono_ns` of the manifest) is NS.

The raw history is in `history/STRATEGY/`, or in `history/block-NN/STRATEGY/` where the run has several blocks; figures are pooled
over all of them. Where a block's folder is missing that is a disagreement, unless --partial-history says that some were left
out on purpose: then `not checked:` lines name them, and only the windows of the blocks that are there are compared.

It does not recompute of a cell: `one_shot`; of exposure `writes_after_ack`, `forced_logouts`, the implied mean window and
`two_channel`; predictions and bands; reasons of validity other than controls and premature answers; latency, rates, cost.

One line per cell; each disagreement is a line with cell, subject, instance and both values. Exit codes: 0 all that was
compared agrees, 1 something disagrees, 2 the folder is not a run directory, nothing was left to compare, or the capture cannot
be read.
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
            yield cell, document(run / "cells" / f"{cell['scenario']}.{tables.named(cell)}.json")


def meant_by(manifest):
    """What each scenario's change is scoped to and whether the honest session survives it, from the scenario files that the
    manifest keeps."""
    found = {}
    for scenario in manifest["options"]["scenarios"]:
        text = scenario["text"]
        name = re.search(r'^name *= *"([^"]+)"', text, re.M)
        scope = re.search(r'^scope *= *"(\w+)"', text, re.M)
        survives = re.search(r"^honest_survives *= *(true|false)", text, re.M)
        key = name[1] if name else scenario["file"].removesuffix(".toml")
        found[key] = {"scope": scope and scope[1], "survives": not survives or survives[1] == "true"}
    return found


def blocks_of(summary):
    blocks = summary.get("blocks", 1)
    if not isinstance(blocks, int) or blocks < 1:
        raise tables.NotARun(f"summary.json says {blocks!r} blocks, which is no number from 1 on")
    return blocks


def by_strategy(found):
    """The cells of each strategy (at each of its swept values) together: they share its raw histories."""
    groups = {}
    for cell, detail in found:
        groups.setdefault(tables.named(cell), []).append((cell, detail))
    return groups


def recomputed(run, blocks, own, meant):
    """What the raw histories of one strategy say about each of its cells (detail, Cell), and what is wrong with folders.
    One block is read after the other, so that one is held at a time."""
    cells = [
        (detail, recompute.Cell(cell["scenario"], cell["orientation"], cell["instances"], compare.horizon_ns(detail), **meant.get(cell["scenario"], {})))
        for cell, detail in own
    ]
    strategy, problems = tables.named(own[0][0]), []
    for block, folder in tables.folders(run, blocks, strategy).items():
        index = None
        for detail, found in cells:
            if block in compare.blocks_of(detail, blocks):
                index = index or recompute.Index(tables.read(folder), own[0][0]["instances"], block)
                found.add(index)
            else:
                problems.append(f"{name_of(detail['cell'])}: {folder.relative_to(run)} is there, but the cell has no window of block {block}")
    return cells, problems


def name_of(cell):
    return f"{cell['scenario']}/{tables.named(cell)} {cell['orientation']}"


def missing_said(name, missing, partial_history):
    """Prints what was not checked, if that was allowed; else returns the problem."""
    what = f"{name}: no raw history of {compare.words_of_blocks(missing)}"
    if not partial_history:
        return [f"{what}, which the cell has pooled (--partial-history if it was left out on purpose)"]
    print(f"not checked: {what}; the figures over all blocks are not compared either")
    return []


def check_run(run, partial_history=False):
    """Compares every cell; returns the problems."""
    summary = document(run / "summary.json")
    meant = meant_by(document(run / "manifest.json"))
    if not str(summary.get("schema", "")).startswith("revbench.run/"):
        raise tables.NotARun(f"{run / 'summary.json'} is not the summary of a run")
    try:
        rows = compare.read_rows(run / "changes.csv")
    except (OSError, KeyError, ValueError) as why:
        raise tables.NotARun(f"{run / 'changes.csv'}: {why}") from why
    blocks = blocks_of(summary)
    groups = by_strategy(details(run, summary))
    if groups and not (run / "history").is_dir():
        raise tables.NotARun(f"{run} has no raw history")
    problems = [f"history/{name} belongs to no block of the run" for name in tables.strays(run, blocks)] if groups else []
    seen = 0
    for own in groups.values():
        cells, found_wrong = recomputed(run, blocks, own, meant)
        problems += found_wrong
        for (cell, _), (detail, found) in zip(own, cells):
            name = name_of(cell)
            problems += [f"{name}: {key} of summary.json and of the cell's own file differ" for key in OWN if cell[key] != detail["cell"][key]]
            own_rows = rows.pop((cell["scenario"], tables.named(cell), cell["orientation"]), [])
            at, missing = compare.compare_cell(detail, own_rows, found, blocks)
            problems += at.problems
            seen += len(found.blocks)
            unexcused = missing_said(name, missing, partial_history) if missing else []
            problems += unexcused
            if found.blocks and not at.problems and not unexcused:
                print(said_of(name, at, found, missing))
    problems += [f"changes.csv has rows of {' '.join(key)}, which is no measured cell" for key in rows]
    if groups and not seen and not problems:
        raise tables.NotARun(f"{run} has the raw history of no cell: nothing was checked")
    return problems


def said_of(name, at, found, missing):
    """The line of a cell without disagreements."""
    if missing:
        return f"ok {name}: {len(found.judged)} changes of {compare.words_of_blocks(found.blocks)}, {at.compared} values of their windows agree"
    pooled = f" in {len(found.blocks)} block{'s' * (len(found.blocks) > 1)}" if at.several else ""
    return f"ok {name}: {len(found.judged)} changes{pooled}, {at.compared} figures agree{f' (void: {found.void})' if found.void else ''}"


def check_capture(run, file, zero):
    """Holds a capture against the fleet of that zero; returns the problems."""
    fleets = {fleet["zero_mono_ns"]: fleet for fleet in document(run / "manifest.json")["fleets"]}
    if zero not in fleets:
        raise tables.NotARun(f"no fleet of {run} has its zero at {zero}: {', '.join(map(str, fleets))}")
    strategy = fleets[zero]["strategy"]
    folder = fleets[zero].get("folder") or strategy
    label = folder.rsplit("/", 1)[-1]
    measured = [pair for pair in details(run, document(run / "summary.json")) if pair[0]["strategy"] == strategy]
    cells = [detail for cell, detail in measured if not cell.get("swept") or label.startswith(tables.named(cell))]
    if not cells:
        raise tables.NotARun(f"{strategy} has no measured cell")
    watches = {(detail["cell"]["scenario"], detail["cell"]["orientation"]): compare.horizon_ns(detail) for detail in cells}
    at = compare.Comparison(f"capture of {folder}")
    try:
        said = capture.check_capture(packets.segments(file), tables.read(run / "history" / folder), cells[0]["cell"]["instances"], zero, at, watches)
    except (packets.NotACapture, capture.Mismatch) as why:
        raise tables.NotARun(f"{file}: {why}") from why
    if not at.problems:
        print(f"ok {at.name}: {said}")
    return at.problems


def main():
    parser = argparse.ArgumentParser(description="compares a run with its own raw history, and that with a packet capture")
    parser.add_argument("run", type=pathlib.Path, help="a run directory")
    parser.add_argument("--partial-history", action="store_true", help="raw histories of some blocks were left out on purpose")
    parser.add_argument("--capture", type=pathlib.Path, metavar="FILE", help="pcap or pcapng of the loopback traffic of a fleet")
    parser.add_argument("--zero", type=int, metavar="NS", help="zero_mono_ns of that fleet in manifest.json")
    asked = parser.parse_args()
    if (asked.capture is None) != (asked.zero is None):
        parser.error("--capture and --zero go together")
    try:
        problems = check_run(asked.run, asked.partial_history)
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
