#!/usr/bin/env python3
"""tests.py [RUN [CAPTURE]]: the checker's own tests. Hand-made histories with known windows, made-up captures, and copies of
a real run in which one thing was changed: each must be noticed, and the copy without a change must not be."""

import contextlib
import csv
import gzip
import io
import json
import math
import pathlib
import shutil
import struct
import sys
import tempfile
import unittest
import unittest.mock

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import check_history  # noqa: E402
from history import capture, compare, estimators, handmade, packets, recompute, tables, windows, wire  # noqa: E402

RUN = CAPTURE = None
MS = 1_000_000


def ask(sent, received, decision, instance=0, session="pinned", purpose="probe"):
    return tables.Request(0, session, purpose, instance, sent * MS, received * MS, decision)


def change(orientation="revoke", submitted=90, acknowledged=100, outcome="ok"):
    return tables.Change(0, orientation, submitted * MS, acknowledged * MS, outcome)


def window(*requests, of=None):
    found = windows.instance_window(of or change(), requests)
    return found and (found.lower / MS, found.upper / MS, found.regressions, found.late)


class HandMade(unittest.TestCase):
    """Histories that must be read so: acknowledged at 100 ms, submitted at 90 ms."""

    def check(self, expected, *requests, of=None):
        self.assertEqual(window(*requests, of=of), expected)

    def test_an_overlapping_answer_is_indeterminate(self):
        self.check((0, 12, 0, 0), ask(95, 105, "allow"), ask(110, 112, "deny"))

    def test_stale_then_fresh(self):
        self.check((1, 52, 0, 0), ask(101, 103, "allow"), ask(150, 152, "deny"))
        self.check((0, 3, 0, 0), ask(101, 103, "deny"))

    def test_new_before_the_submission_is_premature(self):
        self.assertEqual(windows.premature(change(), [ask(80, 85, "deny")]), 1)
        self.assertEqual(windows.premature(change(), [ask(80, 90, "deny")]), 0)

    def test_the_last_stale_answer_counts_and_a_return_is_counted(self):
        self.check((20, 31, 1, 0), ask(101, 103, "deny"), ask(120, 121, "allow"), ask(130, 131, "deny"))
        self.check((25, 31, 1, 0), ask(101, 103, "deny"), ask(120, 121, "allow"), ask(125, 126, "allow"), ask(130, 131, "deny"))

    def test_instances_are_told_apart_and_the_last_makes_the_fleet(self):
        history = tables.History(
            [tables.Subject("s", "x", "treated")], [change()], [ask(101, 103, "deny", 0), ask(120, 121, "allow", 1), ask(130, 131, "deny", 0)]
        )
        found = recompute.Index(history, 2).judge(history.changes[0], "pinned")
        self.assertEqual([(one.lower / MS, one.upper / MS) for one in found.instances], [(0, 3), (20, math.inf)])
        self.assertEqual((found.fleet.lower / MS, found.fleet.upper, found.fleet.regressions), (20, math.inf, 0))

    def test_errors_are_no_evidence(self):
        self.check((1, 71, 0, 0), ask(101, 103, "allow"), ask(110, 160, "error"), ask(170, 171, "deny"))
        self.check(None, ask(101, 103, "allow"), *(ask(110 + i, 111 + i, "error") for i in range(5)), ask(170, 171, "deny"))
        self.check(None, ask(101, 103, "error"))

    def test_never_converged_is_censored(self):
        self.check((9_900, math.inf, 0, 0), *(ask(t, t + 1, "allow") for t in range(101, 10_001, 100)), ask(10_000, 10_001, "allow"))

    def test_the_next_change_ends_the_watch(self):
        history = tables.History(
            [tables.Subject("s", "x", "treated")],
            [change(), change("grant", 200, 210)],
            [ask(150, 152, "allow"), ask(205, 215, "allow"), ask(220, 221, "allow")],
        )
        index = recompute.Index(history, 1)
        first, second = (index.judge(one, "pinned").fleet for one in history.changes)
        self.assertEqual((first.lower / MS, first.upper), (50, math.inf))
        self.assertEqual((second.lower / MS, second.upper / MS), (0, 5))

    def test_a_return_within_the_change(self):
        self.check(None, ask(92, 94, "deny"), ask(96, 98, "allow"))
        self.check((0, 12, 1, 0), ask(92, 94, "deny"), ask(96, 98, "allow"), ask(110, 112, "deny"))

    def test_controls_that_are_refused_void_the_cell(self):
        history = tables.History([tables.Subject("s", "x", "control_allowed")], [], [ask(110, 111, "deny", session="honest")])
        self.assertEqual(recompute.controls(history, "x"), (1, 1))

    def test_a_refused_token_closes_a_revocation_through_the_kept_token_only(self):
        self.check((0, 2, 0, 0), ask(101, 102, "reauthenticate"))
        self.check((0, 40, 0, 0), ask(101, 102, "reauthenticate", session="honest"), ask(139, 140, "deny", session="honest"))
        self.check((0, 40, 0, 0), ask(101, 102, "reauthenticate"), ask(139, 140, "allow"), of=change("grant"))

    def test_resurrection_is_found_by_the_sweep(self):
        swept = ask(65_000, 65_001, "allow", purpose="audit")
        self.check((64_900, math.inf, 0, 1), *(ask(t, t + 1, "deny") for t in (101, 5_000)), swept)

    def test_a_grant_is_the_mirror(self):
        self.check((10, 21, 0, 0), ask(101, 102, "deny"), ask(110, 111, "deny"), ask(120, 121, "allow"), of=change("grant"))

    def test_sent_at_the_acknowledgement_is_not_stale(self):
        self.check((0, 12, 0, 0), ask(100, 101, "allow"), ask(110, 112, "deny"))

    def test_a_slow_stale_answer_is_waited_for(self):
        self.check((1, 45, 0, 0), ask(101, 140, "allow"), ask(110, 112, "deny"), ask(143, 145, "deny"))


class Estimators(unittest.TestCase):
    def test_ranks_are_those_of_the_tables(self):
        self.assertEqual(estimators.ranks(400, 0.95), (371, 389))
        self.assertEqual(estimators.ranks(400, 0.99), (392, 400))
        for p, needed in ((0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368)):
            self.assertIsNone(estimators.ranks(needed - 1, p))
            self.assertEqual(estimators.ranks(needed, p)[1], needed)

    def test_the_limit_of_a_share(self):
        self.assertAlmostEqual(estimators.clopper_pearson_upper(0, 400), 1 - 0.05 ** (1 / 400), 12)
        self.assertEqual(estimators.clopper_pearson_upper(3, 3), 1.0)
        self.assertAlmostEqual(estimators.binomial_cdf(1, 20, estimators.clopper_pearson_upper(1, 20)), 0.05, 9)

    def test_the_verdict(self):
        def one(lower, upper):
            return windows.Window(lower, upper, 0, 0, 0)

        for expected, *found in (("broken", one(11, 12)), ("holds", one(0, 13)), ("undecided", one(0, 14)), ("undecided", one(10, math.inf)), (None,)):
            self.assertEqual(estimators.verdict(found, [3] * len(found), 10), expected)


def tcp_frame(link, source, target, sequence, payload, flags=0x18):
    tcp = struct.pack(">HHIIBBHHH", source, target, sequence % 2**32, 0, 5 << 4, flags, 0, 0, 0) + payload
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, b"\x7f\0\0\1", b"\x7f\0\0\1")
    head = {packets.ETHERNET: bytes(12) + b"\x08\0", packets.COOKED: bytes(14) + b"\x08\0", packets.COOKED_2: b"\x08\0" + bytes(18), packets.RAW: b""}[link]
    return head + ip + tcp


def pcap(link, frames):
    """Frames of (ns, bytes) as a file with nanoseconds."""
    records = [struct.pack("<IIII", at // 10**9, at % 10**9, len(frame), len(frame)) + frame for at, frame in frames]
    return struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 1 << 18, link) + b"".join(records)


def pcapng(link, frames):
    def block(kind, body):
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    packed = block(packets.BLOCK_SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    packed += block(packets.BLOCK_INTERFACE, struct.pack("<HHI", link, 0, 0) + struct.pack("<HHB3xHH", 9, 1, 9, 0, 0))
    for at, frame in frames:
        packed += block(packets.BLOCK_PACKET, struct.pack("<IIIII", 0, at >> 32, at & 0xFFFFFFFF, len(frame), len(frame)) + frame)
    return packed


class Captures(unittest.TestCase):
    """Two exchanges on one connection whose sequence numbers wrap, one segment late, one twice, one body in chunks."""

    FIRST = b"POST /token HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"
    ANSWER = b"HTTP/1.1 200 OK\r\nx-instance: r1\r\ncontent-length: 2\r\n\r\nhi"
    CHUNKED = b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"

    def frames(self, link):
        client, server = 2**32 - 20, 7
        second = b"GET /resource/x HTTP/1.1\r\n\r\n"
        rows = [
            (10, 1000, 80, client - 1, b"", 0x02),
            (11, 80, 1000, server - 1, b"", 0x12),
            (20, 1000, 80, client, self.FIRST[:30], 0x18),
            (22, 1000, 80, client + 40, self.FIRST[40:], 0x18),
            (24, 1000, 80, client + 30, self.FIRST[30:40], 0x18),
            (25, 1000, 80, client, self.FIRST[:30], 0x18),
            (30, 80, 1000, server, self.ANSWER[:-1], 0x18),
            (33, 80, 1000, server + len(self.ANSWER) - 1, self.ANSWER[-1:], 0x18),
            (40, 1000, 80, client + len(self.FIRST), second, 0x18),
            (50, 80, 1000, server + len(self.ANSWER), self.CHUNKED, 0x18),
            (60, 2000, 6379, 5, b"*1\r\n$4\r\nPING\r\n", 0x18),
        ]
        return [(at, tcp_frame(link, *rest)) for at, *rest in rows]

    def exchanges(self, content):
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            return list(wire.exchanges(packets.segments(file.name)))

    def test_exchanges_are_put_together(self):
        for form in (pcap, pcapng):
            for link in (packets.ETHERNET, packets.COOKED, packets.COOKED_2, packets.RAW):
                first, second = self.exchanges(form(link, self.frames(link)))
                self.assertEqual((first.method, first.path, first.body, first.status, first.answer), ("POST", "/token", b"body", 200, b"hi"))
                self.assertEqual((first.sent, first.received, first.answer_headers["x-instance"]), (20, 33, "r1"))
                self.assertEqual((second.path, second.status, second.sent, second.received), ("/resource/x", 403, 40, 50))

    def test_what_is_no_capture_is_refused(self):
        for content in (b"", b"not a capture at all"):
            with self.assertRaises(packets.NotACapture):
                self.exchanges(content)


class Containment(unittest.TestCase):
    """The wire's window, moved by what the acknowledgement took to its stamp, lies in the history's."""

    def check(self, problems, stamped, wired, late_ack=0, races=False):
        at = compare.Comparison("x")
        stamped, wired = (windows.Window(lower * MS, upper * MS, 0, 0, 0) if upper else None for lower, upper in (stamped, wired))
        capture.check_window("w", stamped, wired, late_ack * MS, races, at)
        self.assertEqual(len(at.problems), problems, at.problems)

    def test_inside_and_outside(self):
        for problems, stamped, wired, *rest in (
            (0, (10, 20), (10, 20)),
            (0, (10, 20), (12, 19)),
            (0, (10, 20), (13, 22), 2),
            (0, (0, 1), (0, 3), 2),
            (1, (10, 20), (9, 20)),
            (1, (10, 20), (10, 21)),
            (1, (10, 20), (11, 20), 2),
            (1, (10, 20), (12, math.inf)),
            (1, (10, math.inf), (12, 20)),
            (0, (10, math.inf), (12, math.inf)),
            (1, (10, 20), (0, None)),
            (0, (0, 1), (2, 9), 0, True),
            (1, (10, 20), (0, 5), 0, True),
        ):
            with self.subTest(stamped=stamped, wired=wired, rest=rest):
                self.check(problems, stamped, wired, *rest)


def rewrite(path, change_rows):
    """Rewrites a table, packed or not, with the rows that `change_rows` makes of its own."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", newline="") as lines:
        rows = list(csv.DictReader(lines))
    fields = list(rows[0])
    with opener(path, "wt", newline="") as out:
        writer = csv.DictWriter(out, fields)
        writer.writeheader()
        writer.writerows(change_rows(rows))


def run_checker(folder, *flags):
    """Exit code and what was printed."""
    said, kept = io.StringIO(), sys.argv
    sys.argv = ["check_history.py", str(folder), *map(str, flags)]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            return check_history.main(), said.getvalue()
    finally:
        sys.argv = kept


class Roles(unittest.TestCase):
    def test_a_subject_in_another_role_counts_for_nothing(self):
        asked = [ask(50, 51, "deny"), ask(150, 152, "allow", purpose="background"), ask(160, 161, "deny")]
        for role, expected in (("treated", (1, 1, 1, 1)), ("unprobed", (0, 0, 1, 1)), ("one_shot", (0, 0, 0, 0)), ("crowd", (0, 0, 0, 0))):
            with self.subTest(role=role):
                found = recompute.Cell("x", "revoke", 1)
                found.add(recompute.Index(tables.History([tables.Subject("s", "x", role)], [change()], asked), 1))
                self.assertEqual((len(found.judged), found.premature, found.exposed, found.traffic), expected)
                self.assertEqual(found.controls, 0)


class OtherRules(unittest.TestCase):
    """Pooled counts, verdicts and the session beside, of one or two subjects at two instances; submitted at 90 ms."""

    def cell(self, changes, asked, **options):
        """A cell of subjects 0, 1 … with a change each; requests are (subject, request)."""
        subjects = [tables.Subject(f"s{at}", "x", "treated") for at in range(len(changes))]
        found = recompute.Cell("x", changes[0].orientation, 2, **options)
        changes = [one._replace(subject=at) for at, one in enumerate(changes)]
        requests = [request._replace(subject=at) for at, request in asked]
        found.add(recompute.Index(tables.History(subjects, changes, requests), 2))
        return found

    def fresh(self, subject=0, **options):
        """A window of [0, 3] ms at both instances."""
        return [(subject, ask(101, 103, "deny", instance, **options)) for instance in (0, 1)]

    def problems(self, found, bound_ms, verdict, changes, violating):
        """What the checker says of a claim that is written so."""
        share = estimators.clopper_pearson_upper(violating, changes)
        evidence = {"changes": changes, "violating": violating, "violating_share_upper95": share}
        cell = {"claim": {"bound_ms": bound_ms, "verdict": verdict, "evidence": evidence}, "validity": {"staleness": "valid"}}
        at = compare.Comparison("x")
        compare.compare_claim(at, cell, found, [3.0] * len(found.judged))
        return at.problems

    def test_what_a_change_without_a_window_certainly_showed_counts_against_the_claim(self):
        # The second change: instance 0 is stale until 50 ms after the acknowledgement, instance 1 fails for good.
        unseen = [(1, ask(150, 151, "allow", 0)), (1, ask(160, 161, "deny", 0)), *((1, ask(110 + at, 111 + at, "error", 1)) for at in range(5))]
        found = self.cell([change(), change()], self.fresh() + unseen)
        self.assertEqual((len(found.judged), found.unknown, found.unobserved), (1, 1, [50 * MS]))
        self.assertEqual(self.problems(found, 49, "broken", 2, 1), [])
        self.assertEqual(self.problems(found, 50, "holds", 1, 0), [])
        self.assertEqual(len(self.problems(found, 49, "holds", 1, 0)), 4)
        self.assertEqual(len(self.problems(found, 50, "broken", 2, 1)), 4)
        # Mostly errors at the very instance that was stale; no change has a window.
        noisy = [(0, ask(150, 151, "allow", 0)), *((0, ask(160 + at, 161 + at, "error", 0)) for at in range(5)), (0, ask(170, 171, "deny", 0))]
        alone = self.cell([change()], noisy + self.fresh()[1:])
        self.assertEqual((alone.judged, self.problems(alone, 49, "broken", 1, 1)), ([], []))
        # Of a change that nobody acknowledged nothing is certain.
        unknown = self.cell([change(), change(outcome="info")], self.fresh() + unseen)
        self.assertEqual((unknown.unknown, unknown.unobserved, self.problems(unknown, 49, "holds", 1, 0)), (1, [], []))

    def test_a_refused_change_is_unknown(self):
        for outcome in ("fail", "info"):
            with self.subTest(outcome=outcome):
                answers = [(1, ask(50, 51, "deny")), *self.fresh(1)]
                found = self.cell([change(), change(outcome=outcome)], self.fresh() + answers)
                self.assertEqual((len(found.judged), found.unknown, found.unobserved, found.premature), (1, 1, [], 0))

    def beside(self, found):
        def ends(windows):
            return [(window.lower / MS, window.upper / MS) for window in windows]

        return ends(found.client_visible), ends(found.other_session)

    def test_the_honest_client_beside_a_revocation(self):
        honest = [(0, ask(110, 112, "allow", instance, session="honest")) for instance in (0, 1)]
        honest += [(0, ask(120 + 10 * instance, 122 + 10 * instance, "deny", instance, session="honest")) for instance in (0, 1)]
        for scope, expected in (("subject", [(10, 32)]), ("session", []), ("token", [])):
            with self.subTest(scope=scope):
                self.assertEqual(self.beside(self.cell([change()], self.fresh() + honest, scope=scope)), (expected, []))
        # Nobody asked with the honest session at one instance.
        self.assertEqual(self.beside(self.cell([change()], self.fresh() + honest[::2])), ([], []))

    def test_a_refused_renewal_closes_what_the_change_ends(self):
        def honest(sent, said="reauthenticate"):
            stale = [(0, ask(110, 112, "allow", instance, session="honest")) for instance in (0, 1)]
            return self.fresh() + stale + [(0, ask(sent, sent + 2, said, 0, session="honest", purpose="refresh"))]

        for expected, survives, asked in (
            ((10, 42), False, honest(140)),
            ((10, math.inf), True, honest(140)),
            ((10, math.inf), False, honest(140, "allow")),
            ((10, math.inf), False, honest(140, "error")),
            ((10, math.inf), False, honest(80)),
        ):
            with self.subTest(survives=survives, last=asked[-1]):
                self.assertEqual(self.beside(self.cell([change()], asked, survives=survives)), ([expected], []))
        # One that was sent before the submission was refused for another reason.
        early = [(0, ask(85, 103, "reauthenticate", session="honest", purpose="refresh"))]
        denied = [(0, ask(130, 132, "deny", instance, session="honest")) for instance in (0, 1)]
        self.assertEqual(self.beside(self.cell([change()], self.fresh() + early + denied, survives=False)), ([(0, 32)], []))
        # The kept token learns nothing from a renewal.
        kept = [(0, ask(110, 112, "allow", instance)) for instance in (0, 1)] + [(0, ask(140, 142, "reauthenticate", purpose="refresh"))]
        self.assertEqual(self.cell([change()], kept, survives=False).never_converged, 1)

    def test_the_kept_token_beside_a_grant(self):
        honest = [(0, ask(101, 103, "allow", instance, session="honest")) for instance in (0, 1)]
        pinned = [(0, ask(190, 191, "deny", instance)) for instance in (0, 1)]
        self.assertEqual(self.beside(self.cell([change("grant")], honest + pinned)), ([(0, 3)], [(90, math.inf)]))
        self.assertEqual(self.beside(self.cell([change("grant")], honest)), ([(0, 3)], []))

    def test_figures_of_a_session_are_compared(self):
        found = [windows.Window(lower * MS, (lower + 5) * MS, 0, 0, 0) for lower in range(6)]
        right = {"changes": 6, "p50_ms": handmade.interval(0, 10), "max_ms": handmade.interval(5, 10)}
        for problems, written, those in (
            (0, right, found),
            (0, None, []),
            (1, None, found),
            (1, right, []),
            (1, right | {"changes": 5}, found),
            (1, right | {"p50_ms": None}, found),
            (1, right | {"max_ms": handmade.interval(5, 11)}, found),
        ):
            with self.subTest(written=written, those=len(those)):
                at = compare.Comparison("x")
                compare.compare_session(at, "client_visible", written, those)
                self.assertEqual(len(at.problems), problems, at.problems)


class Meant(unittest.TestCase):
    def test_what_the_scenario_s_file_says_of_its_change(self):
        text = 'name = "gone"\n[change]\nscope = "subject"\nhonest_survives = false\n'
        files = [{"file": "a.toml", "text": text}, {"file": "kept.toml", "text": 'scope = "token"\nhonest_survives = true\n'}]
        found = check_history.meant_by({"options": {"scenarios": files}})
        self.assertEqual(found, {"gone": {"scope": "subject", "survives": False}, "kept": {"scope": "token", "survives": True}})


class Blocks(unittest.TestCase):
    """A run of three blocks made by hand, in which every figure is known; then with one thing changed."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.made = pathlib.Path(folder.name) / "run"
        handmade.write_run(self.made)

    def again(self, *measured):
        shutil.rmtree(self.made)
        handmade.write_run(self.made, measured)

    def history(self, block):
        return self.made / "history" / f"block-{block:02}" / handmade.STRATEGY

    def says(self, code, *lines, flags=(), never=()):
        """The exit code, a line with each of the words, and none with those of `never`."""
        found, said = run_checker(self.made, *flags)
        self.assertEqual(found, code, said)
        for words in lines:
            self.assertIn(words, said)
        for words in never:
            self.assertNotIn(words, said)

    def edit_detail(self, edit):
        path = self.made / "cells" / f"{handmade.SCENARIO}.{handmade.STRATEGY}.json"
        detail = json.loads(path.read_text())
        edit(detail)
        path.write_text(json.dumps(detail))

    def edit_figures(self, edit):
        """The same in both documents, so that only the raw history can tell."""
        self.edit_detail(lambda detail: edit(detail["cell"]))
        path = self.made / "summary.json"
        summary = json.loads(path.read_text())
        edit(summary["cells"][0])
        path.write_text(json.dumps(summary))

    def edit_rows(self, block, subject, table="changes.csv", **values):
        rewrite(self.history(block) / table, lambda rows: [row | values if row["subject"] == subject else row for row in rows])

    def test_the_run_agrees(self):
        self.says(0, "ok demoted/lookup revoke: 6 changes in 3 blocks", never=["not checked", "differs", "none-again"])
        self.says(0, "6 changes in 3 blocks", flags=["--partial-history"], never=["not checked"])

    def test_the_control_s_twin_is_no_cell(self):
        shutil.rmtree(self.made / "history/block-02/none-again")
        self.says(0, "6 changes in 3 blocks", never=["not checked"])

    def test_blocks_that_a_partial_run_lacks(self):
        for measured in ((1,), (1, 2), (1, 3)):
            with self.subTest(measured=measured):
                self.again(*measured)
                # Windows are equally spaced in neighbouring blocks only.
                if measured == (1, 3):
                    self.edit_figures(lambda cell: cell["staleness"].update(mean_se_ms=math.sqrt(1700 / 3) / 2))
                self.says(0, f"{2 * len(measured)} changes in {len(measured)} block", never=["not checked"])

    def test_swept_settings_name_a_cell_and_its_files(self):
        shutil.rmtree(self.made)
        name = f"{handmade.STRATEGY}[cache_ttl=300ms,stale_for=1s]"
        handmade.write_run(self.made, swept={"stale_for": "1s", "cache_ttl": "300ms"}, name=name)
        self.says(0, f"ok {handmade.SCENARIO}/{name} revoke", "6 changes in 3 blocks")
        shutil.move(self.made / "history" / "block-02" / name, self.made / "history" / "block-02" / handmade.STRATEGY)
        self.says(1, "no raw history of block 2")

    def test_tampering_with_one_block(self):
        for block in (1, 2, 3):
            with self.subTest(block=block):
                self.again(1, 2, 3)
                self.edit_rows(block, "0", acknowledged_ns=ns(101))
                others = [f"block {other}, subject" for other in {1, 2, 3} - {block}]
                self.says(1, f"block {block}, subject a, acknowledged_ms", f"changes.csv, block {block}, subject a, instance 0", "mean_ms", never=others)

    def test_a_dropped_answer_of_one_block(self):
        rewrite(self.history(2) / "requests.csv.gz", lambda rows: [row for row in rows if row["sent_ns"] != str(ns(130))])
        self.says(1, "block 2, subject a, fleet: the run says [30.000000, 35.000000], the raw history [0.000000, 35.000000]", never=["block 1, subject"])

    def test_blocks_that_changed_places(self):
        for source, target in (("block-01", "kept"), ("block-02", "block-01"), ("kept", "block-02")):
            (self.made / "history" / source).rename(self.made / "history" / target)
        self.says(1, "block 1, subject a, fleet", "block 2, subject b, fleet", never=["block 3, subject"])

    def test_a_window_of_another_block(self):
        self.edit_detail(lambda detail: detail["windows"][0].update(block=2))
        self.says(1, "two windows", "block 1, subject a: the raw history has a window, the run none")
        self.again(1, 2, 3)
        rewrite(self.made / "changes.csv", lambda rows: [row | {"block": "3"} if number == 0 else row for number, row in enumerate(rows)])
        self.says(1, "two rows", "changes.csv has no row for block 1, subject a, instance fleet")

    def test_figures_are_pooled(self):
        for keys, value in (
            (("staleness", "changes"), 2),
            (("staleness", "changes_unknown"), 0),
            (("staleness", "p50_ms", "upper"), 55.0),
            (("staleness", "max_ms", "lower"), 50.0),
            (("staleness", "client_visible", "changes"), 2),
            (("staleness", "client_visible", "max_ms", "upper"), 60.0),
            (("staleness", "client_visible"), None),
            (("staleness", "other_session"), {"seen_by": "pinned", "changes": 6}),
            (("claim", "evidence", "changes"), 2),
            (("exposure", "stale_allowed"), 1),
            (("exposure", "per_million"), 5e5),
        ):
            with self.subTest(keys=keys):
                self.again(1, 2, 3)

                def edit(cell, keys=keys, value=value):
                    for key in keys[:-1]:
                        cell = cell[key]
                    cell[keys[-1]] = value

                self.edit_figures(edit)
                self.says(1, [key for key in keys if key not in ("lower", "upper")][-1], never=["of the cell's own file"])

    def test_windows_of_a_block_that_the_cell_left_out(self):
        def drop(detail):
            detail["windows"] = [window for window in detail["windows"] if window["block"] != 2]

        self.edit_detail(drop)
        self.says(1, "block 2: the raw history has 2 windows, the cell none", never=["block 2, subject a: the raw"])
        self.edit_detail(lambda detail: detail.update(blocks=[{"block": 1}, {"block": 3}]))
        for flags in ((), ("--partial-history",)):
            self.says(1, "history/block-02/lookup is there, but the cell has no window of block 2", flags=flags)

    def test_a_missing_block(self):
        shutil.rmtree(self.history(2))
        self.says(1, "differs demoted/lookup revoke: no raw history of block 2", never=["ok demoted", "not checked", "p50_ms", "subject a"])
        partial = {"flags": ["--partial-history"]}
        unchecked, checked = "not checked: demoted/lookup revoke: no raw history of block 2;", "ok demoted/lookup revoke: 4 changes of blocks 1, 3"
        self.says(0, unchecked, checked, never=["differs"], **partial)
        shutil.rmtree(self.history(1))
        self.says(0, "no raw history of blocks 1, 2;", "2 changes of block 3, ", **partial)

    def test_what_is_there_beside_a_missing_block_is_checked(self):
        shutil.rmtree(self.made / "history/block-02")
        self.edit_rows(3, "1", acknowledged_ns=ns(101))
        others = ["ok demoted", "block 1, subject", "block 2, subject"]
        self.says(1, "not checked: ", "block 3, subject b, acknowledged_ms", flags=["--partial-history"], never=others)

    def test_nothing_left_is_no_agreement(self):
        for block in (1, 2, 3):
            shutil.rmtree(self.history(block))
        self.says(1, "no raw history of blocks 1, 2, 3")
        self.says(2, "nothing was checked", flags=["--partial-history"], never=["ok "])

    def test_blocks_that_the_run_does_not_have(self):
        self.edit_detail(lambda detail: detail["windows"][5].update(block=4))
        for flags in ((), ("--partial-history",)):
            self.says(1, "the cell has block 4, but the run has only 3", "block 4, subject b: the run has a window", flags=flags)
        self.again(1, 2, 3)
        shutil.copytree(self.made / "history/block-01", self.made / "history/block-04")
        self.says(1, "history/block-04 belongs to no block")

    def test_a_block_cut_short_is_no_history(self):
        (self.history(2) / "requests.csv.gz").unlink()
        for flags in ((), ("--partial-history",)):
            self.says(2, "block-02/lookup is not a raw history", flags=flags)

    def test_a_capture_is_held_against_the_fleet_of_its_zero(self):
        for zero, block in ((1000, 1), (3000, 3)):
            with unittest.mock.patch.object(check_history.capture, "check_capture", return_value="said") as held:
                self.says(0, f"ok capture of block-{block:02}/lookup: said", flags=["--capture", self.made / "summary.json", "--zero", zero])
            self.assertEqual(held.call_args.args[1], tables.read(self.history(block)))
        self.says(2, "no fleet of", flags=["--capture", self.made / "summary.json", "--zero", 4000])


def ns(ms):
    return ms * MS


class Tampered(unittest.TestCase):
    """Copies of a real run with one thing changed."""

    def setUp(self):
        if RUN is None:
            self.skipTest("no run was given")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name) / "run"
        shutil.copytree(RUN, self.folder)
        summary = json.loads((self.folder / "summary.json").read_text())
        cells = [cell for cell in summary["cells"] if cell["role"] == "subject" and cell["outcome"] == "measured" and cell["orientation"] == "revoke"]
        # One whose windows are not all 0, where the run has one.
        self.cell = max(cells, key=lambda cell: cell["staleness"]["max_ms"]["lower"] * (cell["staleness"]["never_converged"] == 0))
        blocks = summary.get("blocks", 1)
        # In a run of several blocks, the last one.
        self.block, self.history = max(tables.folders(self.folder, blocks, self.cell["strategy"]).items())
        fleets = json.loads((self.folder / "manifest.json").read_text())["fleets"]
        folders = {fleet.get("folder") or fleet["strategy"]: fleet["zero_mono_ns"] for fleet in fleets}
        self.zero = folders[str(self.history.relative_to(self.folder / "history"))]
        found = recompute.Cell(self.cell["scenario"], "revoke", self.cell["instances"])
        found.add(recompute.Index(tables.read(self.history), self.cell["instances"], self.block))
        self.victim = max(found.judged, key=lambda one: one.fleet.lower)
        self.name = self.victim.subject
        self.who = compare.Comparison("", blocks > 1).who(self.block, self.name)

    def checked(self, *flags):
        return run_checker(self.folder, *flags)

    def must_differ(self, *words, capture=False):
        code, said = self.checked(*(["--capture", CAPTURE, "--zero", self.zero] if capture else []))
        found = [line for line in said.splitlines() if line.startswith("differs capture of" if capture else "differs")]
        self.assertEqual(code, 1, said)
        for word in words:
            self.assertTrue(any(word in line for line in found), f"{word!r} is not in:\n" + "\n".join(found))

    def shift_acknowledgement(self, by):
        def shifted(rows):
            for row in rows:
                if int(row["subject"]) == self.victim.change.subject:
                    row["acknowledged_ns"] = int(row["acknowledged_ns"]) + by
            return rows

        rewrite(self.history / "changes.csv", shifted)

    def is_last_stale(self, row):
        instance = max(range(len(self.victim.instances)), key=lambda at: self.victim.instances[at].lower)
        sent = self.victim.change.acknowledged + self.victim.instances[instance].lower
        return int(row["subject"]) == self.victim.change.subject and int(row["instance"]) == instance and int(row["sent_ns"]) == sent

    def edit_requests(self, edit):
        """Edits the victim's last stale answer, which must be there; None drops it."""
        def edited(rows):
            hits = [row for row in rows if row["purpose"] != "refresh" and self.is_last_stale(row)]
            self.assertEqual(len(hits), 1)
            return [changed for row in rows if (changed := edit(dict(row)) if row is hits[0] else row) is not None]

        rewrite(self.history / "requests.csv.gz", edited)

    def test_the_copy_agrees(self):
        flags = ["--capture", CAPTURE, "--zero", self.zero] if CAPTURE else []
        self.assertEqual(self.checked(*flags)[0], 0)

    def test_what_is_no_run_is_told_apart(self):
        shutil.rmtree(self.folder / "history")
        self.assertEqual(self.checked()[0], 2)
        (self.folder / "summary.json").unlink()
        self.assertEqual(self.checked()[0], 2)

    def test_a_shifted_acknowledgement(self):
        self.shift_acknowledgement(100_000)
        self.must_differ(self.name, "acknowledged_ms", "fleet")

    def test_a_dropped_stale_probe(self):
        self.edit_requests(lambda row: None)
        self.must_differ(self.name, "instance")

    def test_a_flipped_decision(self):
        self.edit_requests(lambda row: row | {"decision": "deny"})
        self.must_differ(self.name, "instance")

    def test_a_changed_interval(self):
        def changed(rows):
            own = [row for row in rows if row["strategy"] == self.cell["strategy"] and compare.block_of(row) == self.block]
            row = next(row for row in own if row["subject"] == self.name and row["instance"] == "1")
            row["upper_ms"] = f"{float(row['upper_ms']) + 0.000002:.6f}"
            return rows

        rewrite(self.folder / "changes.csv", changed)
        self.must_differ(f"changes.csv, {self.who}, instance 1")

    def test_changed_figures(self):
        path = self.folder / "cells" / f"{self.cell['scenario']}.{self.cell['strategy']}.json"
        original = path.read_text()
        for keys, value in (
            (("staleness", "never_converged"), 1),
            (("staleness", "regressions"), 1),
            (("staleness", "p50_ms", "lower"), 0.5),
            (("staleness", "per_instance", 0, "max_ms", "upper"), 0.5),
            (("claim", "verdict"), "undecided"),
            (("claim", "evidence", "violating_share_upper95"), 0.5),
            (("exposure", "stale_allowed"), 10**6),
            (("exposure", "per_million"), 0.25),
        ):
            with self.subTest(keys=keys):
                detail = json.loads(original)
                place = detail["cell"]
                for key in keys[:-1]:
                    place = place[key]
                place[keys[-1]] = value
                path.write_text(json.dumps(detail))
                figure = [key for key in keys if key not in (0, "lower", "upper")][-1]
                self.must_differ(f"{keys[0]} of summary.json", figure)

    def need_capture(self):
        if CAPTURE is None:
            self.skipTest("no capture was given")

    def test_the_capture_sees_an_acknowledgement_before_its_answer(self):
        self.need_capture()
        self.shift_acknowledgement(-600_000)
        self.must_differ("no offset of the clocks", capture=True)

    def test_the_capture_sees_a_late_stamp(self):
        self.need_capture()
        self.edit_requests(lambda row: row | {"sent_ns": int(row["sent_ns"]) + 600_000})
        self.must_differ("no offset of the clocks", capture=True)

    def test_the_capture_sees_a_flipped_decision(self):
        self.need_capture()
        self.edit_requests(lambda row: row | {"decision": "deny"})
        self.must_differ(self.name, "decision", capture=True)

    def test_the_capture_sees_a_dropped_request(self):
        self.need_capture()
        self.edit_requests(lambda row: None)
        self.must_differ(self.name, "in the capture", capture=True)

    def test_the_capture_sees_stamps_that_are_far_from_the_wire(self):
        self.need_capture()
        rewrite(self.history / "requests.csv.gz", lambda rows: [row | {"received_ns": int(row["received_ns"]) + 600_000} for row in rows])
        self.must_differ("receipts lie", capture=True)

    def test_the_capture_sees_another_zero(self):
        self.need_capture()
        manifest = self.folder / "manifest.json"
        manifest.write_text(manifest.read_text().replace(str(self.zero), str(self.zero + 5 * MS)))
        self.zero += 5 * MS
        self.must_differ("stamped by their server outside", capture=True)


if __name__ == "__main__":
    RUN, CAPTURE = [pathlib.Path(given) for given in sys.argv[1:3]] + [None] * (3 - len(sys.argv))
    unittest.main(argv=sys.argv[:1])
