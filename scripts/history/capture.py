"""The windows of one fleet from a packet capture, held against those of its raw history.

The capture has the calendar's clock (CLOCK_REALTIME), the history the monotonic one since the fleet's zero; T is their
difference. What must hold, with the slack SLACK for all of it:

1. *Stamps enclose the wire.* A request's stamp is read before the first byte is written and after the last one is read, so
   for every request and change  s <= s_wire - T  and  r_wire - T <= r.  One T must satisfy all of them at once: it lies
   in [max(r_wire - r), min(s_wire - s)], and that interval may be empty by no more than the slack.
2. *The same clock.* The servers stamp each decision on the monotonic clock: s_wire <= stamp + (T - zero) <= r_wire.
3. *The same exchanges.* Per subject, session and instance the capture has as many requests as the history, and in order
   of sending the same decisions.
4. *The stamps are near.* The median distance from stamp to wire is within the slack, for sends and for receipts: a late
   stamp may widen a window, a systematic one would.
5. *The wire's window lies in the history's.* With d = a - (a_wire - T), what the acknowledgement took from the wire to
   the stamp, the wire's window [L', U'] is one after a_wire; seen from a it is [max(0, L' - d), max(0, U' - d)], and by 1 that
   must lie in [L - slack, U + slack]. One exception: an old answer to a request that was on the wire after a_wire but
   stamped before a is stale there and indeterminate here; the upper end then need only not lie below L.
"""

import base64
import json
import math
import statistics
import urllib.parse
from typing import NamedTuple

from history import recompute, tables, windows, wire

SLACK_NS = 200_000
# A session of the capture is that session of the history whose sends lie this near, for most of its requests.
NEAR_NS = 2_000_000
DECISIONS = {401: "reauthenticate", 403: "deny"}


class Mismatch(Exception):
    """The capture does not hold the cell."""


class Login(NamedTuple):
    """A sign-in and what became of it by renewals."""

    authority: tuple
    subject: str
    number: int


def decision(status):
    return "allow" if 200 <= status < 300 else DECISIONS.get(status, "error")


def _claims(token):
    try:
        part = token.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError):
        return {}


class Recorded:
    """What a capture holds of the authorities and resource servers in it."""

    def __init__(self, exchanges):
        self.logins, self.renewals, self.names = {}, {}, {}
        self.changes, self.asked = [], []
        signed_in = 0
        exchanges = sorted(exchanges, key=lambda exchange: exchange.received)
        for exchange in exchanges:
            if exchange.method == "POST" and exchange.path == "/token":
                signed_in += 1
                self._token(exchange, signed_in)
        for exchange in exchanges:
            if exchange.method == "POST" and (change := self._change(exchange)):
                self.changes.append((exchange, *change))
            scheme, _, token = exchange.headers.get("authorization", "").partition(" ")
            if "x-instance" in exchange.answer_headers and scheme == "Bearer" and token in self.logins:
                self.asked.append((exchange, self.logins[token]))

    def _token(self, exchange, number):
        form = dict(urllib.parse.parse_qsl(exchange.body.decode("latin-1")))
        if exchange.status != 200:
            return
        answer = json.loads(exchange.answer)
        if form.get("grant_type") == "password":
            login = Login(exchange.server, form["username"], number)
        else:
            login = self.renewals.get(form.get("refresh_token"))
        if login is None:
            return
        self.logins[answer["access_token"]] = login
        self.renewals[answer.get("refresh_token")] = login
        # A change may name a session or a token in place of its subject.
        for claim in ("sid", "jti"):
            if value := _claims(answer["access_token"]).get(claim):
                self.names[value] = login.subject

    def _change(self, exchange):
        """Subject and orientation, if it is a change: an administrator's, the user's own, or a token's revocation."""
        if exchange.path in ("/admin/changes", "/me/changes"):
            body = json.loads(exchange.body)
            scope = next(iter(body["scope"].values()))
            return self.names.get(scope, scope), body["orientation"]
        if exchange.path == "/revoke":
            login = self.logins.get(dict(urllib.parse.parse_qsl(exchange.body.decode("latin-1"))).get("token"))
            return login and (login.subject, "revoke")
        return None

    def changed(self, authority):
        """(subject, orientation) → exchange of every change at an authority."""
        return {(subject, orientation): exchange for exchange, subject, orientation in self.changes if exchange.server == authority}


def authority_of(recorded, history):
    """The authority whose changes are the history's, and roughly T: the median of capture time less history time. The
    changes of another fleet have the same subjects, but not the same distances between them."""
    best = None
    for authority in {exchange.server for exchange, *_ in recorded.changes}:
        changed = recorded.changed(authority)
        keys = [(history.subjects[change.subject].name, change.orientation) for change in history.changes]
        if not keys or not set(keys) <= set(changed):
            continue
        distances = [changed[key].sent - change.submitted for key, change in zip(keys, history.changes)]
        middle = int(statistics.median(distances))
        spread = max(abs(distance - middle) for distance in distances)
        best = min(best or (spread, authority, middle), (spread, authority, middle))
    if best is None:
        raise Mismatch("no authority in the capture was sent the changes of the history")
    return best[1], best[2]


def role_of(login, asked, sends, rough):
    """Which session of its subject a login is: the one whose sends are nearest to its own."""
    def near(session):
        stamps = sends.get((login.subject, session), [])
        return sum(any(abs(exchange.sent - rough - stamp) <= NEAR_NS for stamp in stamps) for exchange in asked)

    return max(("pinned", "honest"), key=near)


class Paired(NamedTuple):
    """A request of the history and the same one on the wire."""

    request: tables.Request
    exchange: wire.Exchange


def pair(recorded, history, authority, rough, at):
    """Requests of the history with their exchanges; what has no partner is a problem."""
    by_login, sends, stamped = {}, {}, {}
    for exchange, login in recorded.asked:
        if login.authority == authority:
            by_login.setdefault(login, []).append(exchange)
    for request in history.requests:
        if request.purpose != "refresh":
            name = history.subjects[request.subject].name
            sends.setdefault((name, request.session), []).append(request.sent)
            stamped.setdefault((name, request.session, request.instance), []).append(request)
    seen = {}
    for login, asked in by_login.items():
        # The crowd is in the capture, but not in the history.
        if any((login.subject, session) in sends for session in ("pinned", "honest")):
            session = role_of(login, asked, sends, rough)
            for exchange in asked:
                instance = int(exchange.answer_headers["x-instance"].lstrip("r"))
                seen.setdefault((login.subject, session, instance), []).append(exchange)
    paired = []
    for key in sorted(set(stamped) | set(seen)):
        requests = sorted(stamped.get(key, []), key=lambda request: request.sent)
        exchanges = sorted(seen.get(key, []), key=lambda exchange: exchange.sent)
        subject, session, instance = key
        where = f"subject {subject}, {session}, instance {instance}"
        if len(requests) != len(exchanges):
            at.say(f"{where}: {len(requests)} requests in the raw history, {len(exchanges)} in the capture")
            continue
        for request, exchange in zip(requests, exchanges):
            at.check(f"{where}, sent at {request.sent} ns, decision", request.decision, decision(exchange.status))
            paired.append(Paired(request, exchange))
    return paired


class Clock(NamedTuple):
    """T and how far it is uncertain, nanoseconds."""

    offset: int
    width: int


def synchronise(pairs, at):
    """T from (stamp sent, stamp received, exchange): demands 1 and 4."""
    low = max(exchange.received - received for _, received, exchange in pairs)
    high = min(exchange.sent - sent for sent, _, exchange in pairs)
    if low - high > SLACK_NS:
        at.say(f"no offset of the clocks puts every exchange of the wire within its stamps: they miss by {(low - high) / 1e6:.3f} ms")
    offset = (low + high) // 2
    slacks = {
        "sends": [exchange.sent - offset - sent for sent, _, exchange in pairs],
        "receipts": [received - (exchange.received - offset) for _, received, exchange in pairs],
    }
    for what, found in slacks.items():
        if statistics.median(found) > SLACK_NS:
            at.say(f"the stamps of {what} lie {statistics.median(found) / 1e6:.3f} ms from the wire (median)")
    return Clock(offset, high - low)


def check_server_clock(pairs, clock, zero, at):
    """Demand 2: the decision's own stamp lies between the wire's ends."""
    stamps = [(exchange, exchange.answer_headers.get("x-decided-at")) for _, _, exchange in pairs]
    stamped = [(exchange, int(stamp) - zero + clock.offset) for exchange, stamp in stamps if stamp]
    outside = [exchange for exchange, decided in stamped if not exchange.sent - SLACK_NS <= decided <= exchange.received + SLACK_NS]
    if outside:
        at.say(f"{len(outside)} of {len(stamped)} decisions were stamped by their server outside their exchange on the wire")
    return len(stamped)


def on_the_wire(history, changed, paired, clock):
    """The history as the wire tells it."""
    changes = [
        change._replace(submitted=exchange.sent - clock.offset, acknowledged=exchange.received - clock.offset)
        for change in history.changes
        for exchange in [changed[history.subjects[change.subject].name, change.orientation]]
    ]
    requests = [
        one.request._replace(sent=one.exchange.sent - clock.offset, received=one.exchange.received - clock.offset, decision=decision(one.exchange.status))
        for one in paired
    ]
    return tables.History(history.subjects, changes, requests)


def check_window(where, stamped, wired, late_ack, races, at):
    """Demand 5 for one window; `late_ack` is d."""
    at.compared += 1
    if stamped is None or wired is None:
        if stamped is not wired:
            at.say(f"{where}: the raw history has {'a' if stamped else 'no'} window, the capture {'one' if wired else 'none'}")
        return
    lower, upper = max(0, wired.lower - late_ack), max(0, wired.upper - late_ack)
    inside = upper >= stamped.lower - SLACK_NS if races else upper <= stamped.upper + SLACK_NS
    if math.isinf(stamped.upper) != math.isinf(upper) or lower < stamped.lower - SLACK_NS or not inside:
        own, other = (tuple(end / 1e6 for end in ends) for ends in ((stamped.lower, stamped.upper), (lower, upper)))
        at.say(f"{where}: the raw history says [{own[0]:.6f}, {own[1]:.6f}], the capture [{other[0]:.6f}, {other[1]:.6f}]")


def raced(change, wired_change, session, index, wired_index, instance):
    """Old answers that are stale on the wire and indeterminate by the stamps."""
    def stale(index, change):
        found = index.requests(change, session, instance)
        return sum(windows.evidence(one, change) == "old" and one.sent > change.acknowledged for one in found)

    return stale(wired_index, wired_change) > stale(index, change)


def check_capture(segments, history, instances, zero, at, horizons):
    """Holds the capture against the history; problems go to `at`. `horizons` is (scenario, orientation) → ns."""
    recorded = Recorded(wire.exchanges(segments))
    authority, rough = authority_of(recorded, history)
    changed = recorded.changed(authority)
    paired = pair(recorded, history, authority, rough, at)
    pairs = [(one.request.sent, one.request.received, one.exchange) for one in paired]
    for change in history.changes:
        pairs.append((change.submitted, change.acknowledged, changed[history.subjects[change.subject].name, change.orientation]))
    clock = synchronise(pairs, at)
    stamped_by_servers = check_server_clock(pairs, clock, zero, at)
    wired = on_the_wire(history, changed, paired, clock)
    index, wired_index = recompute.Index(history, instances), recompute.Index(wired, instances)
    compared = 0
    for change, wired_change in zip(history.changes, wired.changes):
        subject = history.subjects[change.subject]
        if subject.role != "treated" or change.outcome != "ok":
            continue
        session = recompute.SEEN_BY[change.orientation]
        horizon = horizons.get((subject.scenario, change.orientation), math.inf)
        own, other = index.judge(change, session, horizon), wired_index.judge(wired_change, session, horizon)
        late_ack = change.acknowledged - wired_change.acknowledged
        races = [raced(change, wired_change, session, index, wired_index, instance) for instance in index.instances]
        for position, instance in enumerate(index.instances):
            where = f"subject {subject.name}, instance {instance}"
            check_window(where, own.instances[position], other.instances[position], late_ack, races[position], at)
        check_window(f"subject {subject.name}, fleet", own.fleet, other.fleet, late_ack, any(races), at)
        compared += 1
    if not compared:
        raise Mismatch("the history has no change with a window")
    return f"{len(paired)} requests and {compared} changes on the wire; clocks fit to {clock.width / 1e3:.1f} µs; {stamped_by_servers} stamps of servers"
