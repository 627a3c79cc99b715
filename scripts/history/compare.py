"""What the run wrote beside what the raw history says; every difference becomes one line."""

import csv
import math

from history import estimators, recompute, tables
from history.recompute import NS_PER_MS

# The tables print six decimals of a millisecond: one nanosecond.
TOLERANCE_MS = 1e-6
QUANTILES = {"p50_ms": 0.5, "p90_ms": 0.9, "p95_ms": 0.95, "p99_ms": 0.99}


def same(left, right, tolerance=TOLERANCE_MS):
    """Equal up to the printing; infinite equals infinite, None equals None."""
    if left is None or right is None or isinstance(left, str) or isinstance(right, str):
        return left == right
    if math.isinf(left) or math.isinf(right):
        return left == right
    return abs(left - right) <= tolerance * 1.0001


def ends(interval):
    """A printed interval as (lower, upper), with an infinite upper end where it is null."""
    return None if interval is None else (interval["lower"], math.inf if interval["upper"] is None else interval["upper"])


def words(value):
    if isinstance(value, tuple):
        return f"[{words(value[0])}, {words(value[1])}]"
    return f"{value:.6f}" if isinstance(value, float) and not math.isinf(value) else str(value)


class Comparison:
    """Collects the disagreements of one cell. With `several`, subjects are named with their block."""

    def __init__(self, name, several=False):
        self.name = name
        self.several = several
        self.problems = []
        self.compared = 0

    def say(self, problem):
        self.problems.append(f"{self.name}: {problem}")

    def who(self, block, subject):
        return f"block {block}, subject {subject}" if self.several else f"subject {subject}"

    def check(self, what, written, found, tolerance=TOLERANCE_MS):
        self.compared += 1
        equal = same(written, found, tolerance)
        if not equal:
            self.say(f"{what}: the run says {words(written)}, the raw history {words(found)}")
        return equal

    def check_interval(self, what, written, found):
        """`written` as in the JSON, `found` as a pair."""
        self.compared += 1
        written = ends(written)
        equal = written is None and found is None or bool(written and found) and all(same(a, b) for a, b in zip(written, found))
        if not equal:
            self.say(f"{what}: the run says {words(written)}, the raw history {words(found)}")
        return equal


def horizons(detail):
    """Every watch that the cell prints beside an interval without an end."""
    if isinstance(detail, dict):
        own = {detail["horizon_ms"]} if detail.get("horizon_ms") is not None else set()
        return own.union(*(horizons(value) for value in detail.values())) if detail else own
    return set().union(*(horizons(value) for value in detail)) if isinstance(detail, list) and detail else set()


def horizon_ns(detail):
    """How long the cell's changes were watched, as far as it says so: infinite where every interval has an end."""
    watches = horizons([detail["windows"], detail["cell"]["staleness"]])
    return min(watches) * NS_PER_MS if watches else math.inf


def block_of(row):
    """The block of a window or of a row of changes.csv; 1 in a run of one block may be left out."""
    return int(row.get("block") or 1)


def blocks_of(detail, blocks):
    """The blocks that a cell has pooled, of a run of so many."""
    if blocks == 1:
        return {1, *map(block_of, detail["windows"])}
    return {*map(block_of, detail["windows"]), *map(block_of, detail.get("blocks") or [])}


def words_of_blocks(blocks):
    return f"block{'s' if len(blocks) > 1 else ''} {', '.join(map(str, sorted(blocks)))}"


def compare_cell(detail, rows, found, blocks):
    """Compares one `cells/*.json` and its rows of `changes.csv` with what was found in the raw histories, in a run of so
    many blocks. Returns the Comparison and the blocks that the cell has pooled, but that left no raw history: their
    windows and all pooled figures are not compared."""
    cell = detail["cell"]
    at = Comparison(f"{cell['scenario']}/{tables.named(cell)} {cell['orientation']}", blocks > 1)
    watches = horizons([detail["windows"], cell["staleness"]])
    if len(watches) > 1:
        at.say(f"several horizons in one cell: {sorted(watches)}")
    own = blocks_of(detail, blocks)
    foreign = {block for block in own if not 1 <= block <= blocks}
    if foreign:
        at.say(f"the cell has {words_of_blocks(foreign)}, but the run has only {blocks}")
    missing = own - foreign - set(found.blocks)
    resolutions = compare_windows(at, [window for window in detail["windows"] if block_of(window) not in missing], found)
    compare_rows(at, [row for row in rows if block_of(row) not in missing], found, resolutions)
    if not missing:
        compare_figures(at, cell, found, resolutions)
        compare_claim(at, cell, found, resolutions)
        compare_exposure(at, cell, found)
    return at, missing


def instance_interval(window):
    return None if window is None else recompute.interval_ms((window.lower, window.upper))


def compare_windows(at, written, found):
    """The cell's windows; returns the resolution of each change (ms) in the order of `found`."""
    by_subject = {(block_of(window), window["subject"]): window for window in written}
    if len(by_subject) != len(written):
        at.say("a subject has two windows in the cell's file")
    keys = [(one.block, one.subject) for one in found.judged]
    for extra in sorted(set(by_subject) - set(keys)):
        at.say(f"{at.who(*extra)}: the run has a window, the raw history none")
    # A block without any window is one line, not one for each change.
    bare = {block for block, _ in keys} - {block for block, _ in by_subject} if at.several else set()
    for block in sorted(bare):
        at.say(f"block {block}: the raw history has {sum(key[0] == block for key in keys)} windows, the cell none")
    gaps, resolutions = [], []
    for key, one in zip(keys, found.judged):
        window, name = by_subject.get(key), at.who(*key)
        if window is None:
            if key[0] not in bare:
                at.say(f"{name}: the raw history has a window, the run none")
            resolutions.append(0.0)
            continue
        at.check(f"{name}, submitted_ms", window["submitted_ms"], one.change.submitted / NS_PER_MS)
        at.check(f"{name}, acknowledged_ms", window["acknowledged_ms"], one.change.acknowledged / NS_PER_MS)
        at.check_interval(f"{name}, fleet", window["fleet"], instance_interval(one.fleet))
        for position, instance in enumerate(found.instances):
            at.check_interval(f"{name}, instance {instance}", window["instances"][position], instance_interval(one.instances[position]))
        resolutions.append(window["resolution_ms"])
        if not one.fleet.censored:
            gaps.append((round(window["resolution_ms"] - 1.0 - one.fleet.closing / NS_PER_MS, 6), name))
    # The planned gap at the bound is not in the history, but it is one number for the whole cell.
    if gaps and not same(min(gaps)[0], max(gaps)[0], 2 * TOLERANCE_MS):
        at.say(f"resolution_ms less the closing round trip and 1 ms is {min(gaps)[0]} ms for {min(gaps)[1]} and {max(gaps)[0]} ms for {max(gaps)[1]}")
    return resolutions


def compare_rows(at, rows, found, resolutions):
    """The run's changes.csv: one row for the fleet and one for each instance."""
    written = {(block_of(row), row["subject"], row["instance"]): row for row in rows}
    if len(written) != len(rows):
        at.say("changes.csv has two rows for a subject and an instance")
    expected = set()
    for one, resolution in zip(found.judged, resolutions):
        for label, window in [("fleet", one.fleet), *zip(map(str, found.instances), one.instances)]:
            if window is None:
                continue
            key = one.block, one.subject, label
            expected.add(key)
            row = written.get(key)
            if row is None:
                at.say(f"changes.csv has no row for {at.who(one.block, one.subject)}, instance {label}")
                continue
            where = f"changes.csv, {at.who(one.block, one.subject)}, instance {label}"
            at.check(f"{where}, submitted_ms", float(row["submitted_ms"]), one.change.submitted / NS_PER_MS)
            at.check(f"{where}, acknowledged_ms", float(row["acknowledged_ms"]), one.change.acknowledged / NS_PER_MS)
            at.check(f"{where}, resolution_ms", float(row["resolution_ms"]), resolution)
            interval = {"lower": float(row["lower_ms"]), "upper": float(row["upper_ms"]) if row["upper_ms"] else None}
            at.check_interval(where, interval, instance_interval(window))
    for block, name, label in sorted(set(written) - expected):
        at.say(f"changes.csv has a row for {at.who(block, name)}, instance {label}, the raw history has no window")


def compare_figures(at, cell, found, resolutions):
    """The staleness figures of the cell."""
    written = cell["staleness"]
    if written is None:
        if found.judged:
            at.say(f"no staleness figures, but {len(found.judged)} changes with a window")
        return
    at.check("seen_by", written["seen_by"], recompute.SEEN_BY[cell["orientation"]])
    counts = {"changes": len(found.judged), "changes_unknown": found.unknown, "never_converged": found.never_converged}
    counts |= {"regressions": found.regressions, "late_regressions": found.late_regressions}
    for key, value in counts.items():
        at.check(key, written[key], value)
    for key, p in QUANTILES.items():
        at.check_interval(key, written[key], recompute.quantile_ms(found.fleet, p))
    at.check_interval("max_ms", written["max_ms"], recompute.worst_ms(found.fleet))
    for key, value in zip(("mean_ms", "mean_se_ms"), estimators.mean_of_midpoints(found.fleet)):
        at.check(key, written[key], None if value is None else value / NS_PER_MS)
    widths = [window.upper - window.lower for window in found.fleet if not window.censored]
    at.check("width_p50_ms", written["width_p50_ms"], estimators.nearest_rank(widths, 0.5) / NS_PER_MS if widths else 0.0)
    if resolutions:
        at.check("resolution_ms", written["resolution_ms"], max(resolutions))
    for key, p in (("p50", 0.5), ("p99", 0.99)):
        latency = estimators.nearest_rank(found.change_latency, p) / NS_PER_MS if found.change_latency else 0.0
        at.check(f"change_latency_ms.{key}", written["change_latency_ms"][key], latency)
    compare_session(at, "client_visible", written["client_visible"], found.client_visible)
    if compare_session(at, "other_session", written["other_session"], found.other_session):
        at.check("other_session, seen_by", written["other_session"]["seen_by"], "pinned")
        censored = sum(window.censored for window in found.other_session)
        at.check("other_session, never_converged", written["other_session"]["never_converged"], censored)
    each = {one["instance"]: one for one in written["per_instance"]}
    for position, instance in enumerate(found.instances if found.judged else []):
        windows = [window for window in found.at(position) if window]
        own = each.get(instance)
        if own is None:
            at.say(f"per_instance lacks instance {instance}")
            continue
        at.check(f"instance {instance}, never_converged", own["never_converged"], sum(window.censored for window in windows))
        at.check_interval(f"instance {instance}, p50_ms", own["p50_ms"], recompute.quantile_ms(windows, 0.5))
        at.check_interval(f"instance {instance}, max_ms", own["max_ms"], recompute.worst_ms(windows))


def compare_session(at, what, written, windows):
    """What one session saw; null where it showed nothing. Are there figures on both sides?"""
    if written is None or not windows:
        at.check(f"{what}, changes", written and written["changes"], len(windows) or None)
        return False
    at.check(f"{what}, changes", written["changes"], len(windows))
    at.check_interval(f"{what}, p50_ms", written["p50_ms"], recompute.quantile_ms(windows, 0.5))
    at.check_interval(f"{what}, max_ms", written["max_ms"], recompute.worst_ms(windows))
    return True


def compare_claim(at, cell, found, resolutions):
    """The verdict and its evidence; a void cell has no verdict."""
    written = cell["claim"]
    if found.void and cell["validity"]["staleness"] != "invalid":
        at.say(f"staleness is {cell['validity']['staleness']}, but {found.void}")
    if written is None:
        return
    bound = written["bound_ms"] * NS_PER_MS
    evidence = written["evidence"]
    # What an acknowledged change certainly showed counts against the claim, though it has no window.
    late = sum(lower > bound for lower in found.unobserved)
    hits, changes = sum(window.lower > bound for window in found.fleet) + late, len(found.fleet) + late
    invalid = cell["validity"]["staleness"] == "invalid"
    expected = None if invalid else estimators.verdict(found.fleet, [resolution * NS_PER_MS for resolution in resolutions], bound, found.unobserved)
    at.check("claim.verdict", written["verdict"], expected)
    at.check("claim.evidence.changes", evidence["changes"], changes)
    at.check("claim.evidence.violating", evidence["violating"], hits)
    limit = estimators.clopper_pearson_upper(hits, changes)
    at.check("claim.evidence.violating_share_upper95", evidence["violating_share_upper95"], limit, 1e-9)


def compare_exposure(at, cell, found):
    written = cell["exposure"]
    if written is None:
        return
    revoke = cell["orientation"] == "revoke"
    at.check("exposure.stale_allowed", written["stale_allowed"], found.exposed if revoke else 0)
    at.check("exposure.wrongly_denied", written["wrongly_denied"], 0 if revoke else found.exposed)
    ratio = 1e6 * found.exposed / found.traffic if found.traffic else None
    at.check("exposure.per_million", written["per_million"], ratio, 1e-6 * max(1.0, ratio or 0.0))


def read_rows(path):
    """changes.csv by (scenario, strategy as it is called in the run, orientation)."""
    by_cell = {}
    with open(path, newline="") as lines:
        for row in csv.DictReader(lines):
            block_of(row)  # raises where it is no number
            by_cell.setdefault((row["scenario"], row["strategy"], row["orientation"]), []).append(row)
    return by_cell
