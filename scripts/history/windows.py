"""The window of one change: from the answers about one subject to intervals that bracket the truth.

Notation of the definitions: s and r are the send and the receipt of a request, a the change's acknowledgement; S are the
requests sent after a and answered by the old authority, s* and r* the largest s and r in S, f the first-received answer of
the new authority among those sent after r*. The window is [max(0, s* - a), max(0, r_f - a)].
"""

import math
from typing import NamedTuple

OLD = {"revoke": "allow", "grant": "deny"}
NEW = {"revoke": "deny", "grant": "allow"}


class Window(NamedTuple):
    """Nanoseconds after the acknowledgement; `upper` is infinite where nothing closed it."""

    lower: float
    upper: float
    # Round trip of the answer that closed it, as far as it lies after the acknowledgement; None where nothing closed it.
    closing: object
    # Returns of the old answer after the new one, those that the final sweep found apart.
    regressions: int
    late: int

    @property
    def censored(self):
        return math.isinf(self.upper)


def evidence(request, change):
    """Does an answer show the old authority, the new one, a failure, or nothing (None)?

    A refused token closes the window of a revocation that is seen through a kept token: the old authority is no longer
    honoured. An honest client gets a new token then, a grant is not shown by a refusal, and a token that was refused
    before the change had run out.
    """
    if request.decision == OLD[change.orientation]:
        return "old"
    if request.decision == NEW[change.orientation]:
        return "new"
    if request.decision == "error":
        return "error"
    kept = change.orientation == "revoke" and request.session == "pinned"
    return "new" if kept and request.sent >= change.submitted else None


def certain_lower(change, requests):
    """How long the old answer was certainly given after the acknowledgement, whatever else these requests failed to show:
    the last stale answer's send, 0 without one."""
    stale = [request.sent for request in requests if evidence(request, change) == "old" and request.sent > change.acknowledged]
    return max(stale) - change.acknowledged if stale else 0


def instance_window(change, requests, horizon=math.inf):
    """The window at one instance from its (Request)s of one session; None where they show nothing after the
    submission, or where most of what lies in the bracket are errors."""
    seen = [(request, evidence(request, change)) for request in requests if request.received >= change.submitted]
    acknowledged = change.acknowledged
    old = [request for request, shows in seen if shows == "old"]
    stale = [request for request in old if request.sent > acknowledged]
    last_sent = max((request.sent for request in stale), default=None)
    last_received = max((request.received for request in stale), default=-math.inf)
    # A new answer closes nothing where an old one was asked for after it: also within the change that is a return.
    last_old = max((request.sent for request in old), default=-math.inf)
    fresh = [request for request, shows in seen if shows == "new" and request.sent > last_received and request.received >= last_old]
    fresh = [request for request in fresh if request.received - acknowledged <= horizon]
    first = min(fresh, key=lambda request: (request.received, request.sent), default=None)
    if last_sent is None and first is None:
        return None
    if mostly_errors(seen, last_sent, first, acknowledged, horizon):
        return None
    lower = last_sent - acknowledged if stale else 0
    upper = max(0, first.received - acknowledged) if first else math.inf
    closing = max(0, first.received - max(first.sent, acknowledged)) if first else None
    returns = returned(seen)
    late = sum(request.purpose == "audit" for request in returns)
    return Window(lower, upper, closing, len(returns) - late, late)


def mostly_errors(seen, last_sent, first, acknowledged, horizon):
    """Are more than half of the answers from the last stale to the first fresh one errors?"""
    begins = acknowledged + 1 if last_sent is None else last_sent
    ends = first.received if first else acknowledged + horizon
    bracket = [shows for request, shows in seen if request.sent >= begins and request.received <= ends]
    return 2 * bracket.count("error") > len(bracket)


def returned(seen):
    """The old answers that are returns: sent after a new answer was received that came no earlier than the return before
    was sent. However long a return lasts, it is one."""
    news = sorted(request.received for request, shows in seen if shows == "new")
    returns, since = [], -math.inf
    for request in sorted((request for request, shows in seen if shows == "old"), key=lambda request: (request.sent, request.purpose == "audit")):
        if any(since <= received < request.sent for received in news):
            returns.append(request)
            since = request.sent
    return returns


def fleet_window(windows):
    """The last instance counts: [max lower, max upper]. Resting on every instance, it is None where one shows nothing."""
    if not windows or any(window is None for window in windows):
        return None
    return Window(
        max(window.lower for window in windows),
        max(window.upper for window in windows),
        max((window.closing for window in windows if window.closing is not None), default=None),
        sum(window.regressions for window in windows),
        sum(window.late for window in windows),
    )


def premature(change, requests):
    """New answers received before the change was submitted, which cannot be."""
    return sum(request.received < change.submitted and request.decision == NEW[change.orientation] for request in requests)
