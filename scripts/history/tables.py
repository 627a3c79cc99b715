"""The raw history of one fleet as the run directory keeps it: subjects, changes, requests. Times are nanoseconds since
the fleet's own zero. A run of several blocks has a fleet of fresh processes for each strategy and block."""

import csv
import gzip
import pathlib
from typing import NamedTuple


class NotARun(Exception):
    """The folder is not a run directory, or lacks something that every run has."""


class Subject(NamedTuple):
    name: str
    scenario: str
    role: str


class Change(NamedTuple):
    subject: int
    orientation: str
    submitted: int
    acknowledged: int
    outcome: str


class Request(NamedTuple):
    subject: int
    session: str
    purpose: str
    instance: int
    sent: int
    received: int
    decision: str


class History(NamedTuple):
    subjects: list
    changes: list
    requests: list


def _rows(path):
    opened = gzip.open(path, "rt", newline="") if path.suffix == ".gz" else open(path, newline="")
    with opened as lines:
        yield from csv.DictReader(lines)


def named(cell):
    """What a cell's strategy is called in its run: with the swept settings of the cell, where several values were measured."""
    swept = ",".join(f"{name}={value}" for name, value in sorted(cell.get("swept", {}).items()))
    return f"{cell['strategy']}[{swept}]" if swept else cell["strategy"]


def block_name(block):
    return f"block-{block:02}"


def folders(run, blocks, strategy):
    """Block → folder of the strategy's raw history, of those blocks that have one."""
    history = pathlib.Path(run) / "history"
    named = {block: history / block_name(block) / strategy for block in range(1, blocks + 1)} if blocks > 1 else {1: history / strategy}
    return {block: folder for block, folder in named.items() if folder.is_dir()}


def strays(run, blocks):
    """What lies in `history/` and belongs to no block of the run."""
    found = sorted(path.name for path in (pathlib.Path(run) / "history").iterdir())
    if blocks == 1:
        return [name for name in found if name.startswith("block-")]
    return sorted(set(found) - {block_name(block) for block in range(1, blocks + 1)})


def read(folder):
    """Reads the raw history of one fleet."""
    folder = pathlib.Path(folder)
    try:
        subjects = [Subject(row["id"], row["scenario"], row["role"]) for row in _rows(folder / "subjects.csv")]
        changes = [
            Change(int(row["subject"]), row["orientation"], int(row["submitted_ns"]), int(row["acknowledged_ns"]), row["outcome"])
            for row in _rows(folder / "changes.csv")
        ]
        requests = [
            Request(int(row["subject"]), row["session"], row["purpose"], int(row["instance"]), int(row["sent_ns"]), int(row["received_ns"]), row["decision"])
            for row in _rows(folder / "requests.csv.gz")
        ]
    except (OSError, EOFError, KeyError, TypeError, ValueError) as why:
        raise NotARun(f"{folder} is not a raw history: {why}") from why
    return History(subjects, changes, requests)
