"""A run of several blocks made by hand, its windows and figures known without computing any: for the checker's tests.

Two subjects of the same names in each block lose a right, submitted at 90 ms and acknowledged at 100 ms of their fleet. Their
windows are [10, 15], [20, 25] … ms in order of blocks, each from one stale and one fresh answer; the honest session's are
2 ms later. Block 1 has a stale background answer for each, block 2 a change whose outcome is unknown, and every block a subject in a role that counts for
nothing, a control, and the control strategy's twin, which is no cell.
"""

import csv
import gzip
import json
import math

STRATEGY, SCENARIO = "lookup", "demoted"
SUBMITTED, ACKNOWLEDGED, MS = 90, 100, 1_000_000
BOUND_MS, RESOLUTION_MS = 100.0, 3.0
SUBJECTS = ["a", "b"]
# How much later than the kept token's an honest client's window begins and ends.
HONEST_LATER_MS = 2


def table(path, fields, rows):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", newline="") as out:
        csv.writer(out).writerows([fields, *rows])


def lowers(block):
    """Lower ends of the block's windows, ms; each window is 5 ms wide."""
    first = 20 * (block - 1)
    return [first + 10, first + 20]


def write_history(folder, block):
    """The raw history of one block."""
    folder.mkdir(parents=True)
    roles = [*((name, "treated") for name in SUBJECTS), ("c", "treated"), ("d", "one_shot"), ("e", "control_allowed")]
    table(folder / "subjects.csv", ["subject", "id", "scenario", "role"], [(at, name, SCENARIO, role) for at, (name, role) in enumerate(roles)])
    changed = [(0, "ok"), (1, "ok"), (3, "ok"), *([(2, "info")] if block == 2 else [])]
    table(
        folder / "changes.csv",
        ["subject", "orientation", "submitted_ns", "acknowledged_ns", "outcome"],
        [(subject, "revoke", SUBMITTED * MS, ACKNOWLEDGED * MS, outcome) for subject, outcome in changed],
    )
    asked = [(3, "pinned", "probe", 900, "allow"), (3, "pinned", "background", 910, "allow"), (4, "honest", "background", 50, "allow")]
    for subject, lower in enumerate(lowers(block)):
        asked += [(subject, "pinned", "probe", lower, "allow"), (subject, "pinned", "probe", lower + 4, "deny")]
        own = lower + HONEST_LATER_MS
        asked += [(subject, "honest", "probe", own, "allow"), (subject, "honest", "probe", own + 4, "deny")]
        asked.append((subject, "pinned", "background", 200, "deny"))
        if block == 1:
            asked.append((subject, "pinned", "background", 2, "allow"))
    table(
        folder / "requests.csv.gz",
        ["subject", "session", "purpose", "instance", "sent_ns", "received_ns", "decision"],
        [(who, session, why, 0, (ACKNOWLEDGED + at) * MS, (ACKNOWLEDGED + at + 1) * MS, said) for who, session, why, at, said in asked],
    )


def interval(lower, upper):
    return {"lower": float(lower), "upper": float(upper)}


def later(found):
    return found and {end: value + HONEST_LATER_MS for end, value in found.items()}


def cell(measured):
    """What a run says of the cell when it has measured these blocks."""
    known = sorted(lower for block in measured for lower in lowers(block))
    count, unknown = len(known), int(2 in measured)
    whole = interval(known[0], known[-1] + 5)
    worst = interval(known[-1], known[-1] + 5)
    # Six windows: every quantile but the median needs more, and the median's interval is all of them.
    p50 = whole if count == 6 else None
    visible = {"changes": count, "p50_ms": later(p50), "max_ms": later(worst)}
    stale = 2 * (1 in measured)
    figures = {"changes": count, "changes_unknown": unknown, "never_converged": 0, "regressions": 0, "late_regressions": 0}
    # Of equally spaced values d apart the variance is d² n (n + 1) / 12.
    error = 10 * math.sqrt((count + 1) / 12)
    staleness = figures | {
        "seen_by": "pinned", "p50_ms": p50, "p90_ms": None, "p95_ms": None, "p99_ms": None, "max_ms": worst,
        "mean_ms": (known[0] + known[-1] + 5) / 2, "mean_se_ms": error, "width_p50_ms": 5.0, "resolution_ms": RESOLUTION_MS,
        "change_latency_ms": {"p50": 10.0, "p99": 10.0}, "per_instance": [{"instance": 0, "never_converged": 0, "p50_ms": p50, "max_ms": worst}],
        "client_visible": visible, "other_session": None,
    }
    evidence = {"changes": count, "violating": 0, "violating_share_upper95": 1 - 0.05 ** (1 / count)}
    return {
        "scenario": SCENARIO, "strategy": STRATEGY, "orientation": "revoke", "role": "subject", "outcome": "measured", "instances": 1, "params": {},
        "validity": {"staleness": "valid"}, "staleness": staleness, "claim": {"bound_ms": BOUND_MS, "verdict": "holds", "evidence": evidence},
        "exposure": {"stale_allowed": stale, "wrongly_denied": 0, "per_million": 1e6 * stale / (count + stale)},
    }


def windows_of(block):
    return [
        {
            "block": block, "subject": name, "submitted_ms": float(SUBMITTED), "acknowledged_ms": float(ACKNOWLEDGED),
            "fleet": interval(lower, lower + 5), "instances": [interval(lower, lower + 5)], "resolution_ms": RESOLUTION_MS,
        }
        for name, lower in zip(SUBJECTS, lowers(block))
    ]


def write_run(run, measured=(1, 2, 3), blocks=3, swept=None, name=STRATEGY):
    """A run of so many blocks, of which those `measured` were. With `swept` settings its cell is called `name`."""
    (run / "cells").mkdir(parents=True)
    fleets = []
    for block in measured:
        for label in (name, "none-again"):
            folder = f"block-{block:02}/{label}"
            write_history(run / "history" / folder, block)
            strategy = STRATEGY if label == name else "none"
            fleets.append({"strategy": strategy, "folder": folder, "zero_mono_ns": 1000 * block + (label != name)})
    own = cell(measured) | ({"swept": swept} if swept else {})
    said = [window for block in measured for window in windows_of(block)]
    detail = {"cell": own, "windows": said, "blocks": [{"block": block} for block in measured]}
    summary = {"schema": "revbench.run/1", "partial": len(measured) < blocks, "blocks": blocks, "cells": [own]}
    text = f'name = "{SCENARIO}"\nscope = "subject"\n'
    manifest = {"fleets": fleets, "options": {"scenarios": [{"file": f"{SCENARIO}.toml", "text": text}]}}
    for file, content in (("summary", summary), (f"cells/{SCENARIO}.{name}", detail), ("manifest", manifest)):
        (run / f"{file}.json").write_text(json.dumps(content))
    head = (SCENARIO, name, "revoke")
    table(
        run / "changes.csv",
        ["scenario", "strategy", "orientation", "block", "subject", "submitted_ms", "acknowledged_ms", "instance", "lower_ms", "upper_ms", "resolution_ms"],
        [
            (*head, one["block"], one["subject"], SUBMITTED, ACKNOWLEDGED, at, one["fleet"]["lower"], one["fleet"]["upper"], RESOLUTION_MS)
            for one in said
            for at in ("fleet", 0)
        ],
    )
