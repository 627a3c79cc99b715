"""One cell from the raw histories of its blocks: every window, count, interval and verdict."""

import collections
import math
from typing import NamedTuple

from history import estimators, windows

NS_PER_MS = 1e6
CONTROL_LIMIT = 0.001
# Whose answers carry the figures: the kept token of a revocation, the honest client of a grant.
SEEN_BY = {"revoke": "pinned", "grant": "honest"}
# Changes of these mean one session, which is the kept token's: an honest client beside it may go on.
ONE_SESSION = ("token", "session")


class Judged(NamedTuple):
    """A change with its windows. Subjects of the same name in two blocks are two subjects."""

    block: int
    subject: str
    change: object
    instances: list
    fleet: object


class Index:
    """The requests of a block's history by subject, session and instance. Renewals decide nothing, but that a refused one
    tells a client whose session was to end."""

    def __init__(self, history, instances, block=1):
        self.history = history
        self.block = block
        self.instances = range(instances)
        self.by_key, self.refused = collections.defaultdict(list), collections.defaultdict(list)
        # Words over streams, and the subjects who listen instead of being asked about.
        self.heard, self.listeners = collections.defaultdict(list), set()
        for request in history.requests:
            if request.purpose == "stream":
                # One stream keeps the order of its words: each was sent before the next, whenever they were read.
                word = request._replace(received=request.sent) if request.decision == "allow" else request
                self.heard[request.subject, request.session, request.instance].append(word)
                self.listeners.add(request.subject)
            elif request.purpose != "refresh":
                self.by_key[request.subject, request.session, request.instance].append(request)
            elif request.decision == "reauthenticate":
                self.refused[request.subject, request.session].append(request)
        # When the same subject is changed again; and the changes that were its first.
        self.next_submitted, first = {}, {}
        for change in sorted(history.changes, key=lambda change: -change.submitted):
            self.next_submitted[change] = first[change.subject].submitted if change.subject in first else math.inf
            first[change.subject] = change
        self.first = set(first.values())

    def requests(self, change, session, instance, ends=False):
        """What was asked before the subject was changed again. Where the change `ends` the session, a renewal that was sent
        after the submission and refused is the new answer at every instance."""
        until = self.next_submitted[change]
        shown = self.heard if change.subject in self.listeners else self.by_key
        asked = shown[change.subject, session, instance]
        if ends:
            refused = [request for request in self.refused[change.subject, session] if request.sent >= change.submitted]
            asked = asked + [request._replace(instance=instance, decision=windows.NEW[change.orientation]) for request in refused]
        return asked if math.isinf(until) else [request for request in asked if request.received < until]

    def changes(self, scenario, orientation, roles=("treated",)):
        """The changes of subjects in these roles; in a role that is not named here a subject counts for nothing."""
        subjects = self.history.subjects
        return [
            change
            for change in self.history.changes
            if change.orientation == orientation and subjects[change.subject].scenario == scenario and subjects[change.subject].role in roles
        ]

    def judge(self, change, session, horizon=math.inf, ends=False):
        """The windows of a change at each instance and of the fleet."""
        each = [windows.instance_window(change, self.requests(change, session, instance, ends), horizon) for instance in self.instances]
        name = self.history.subjects[change.subject].name
        return Judged(self.block, name, change, each, windows.fleet_window(each))

    def certain_lower(self, change, session):
        """How long some instance was certainly stale, be the window of the change unknown or not."""
        return max((windows.certain_lower(change, self.requests(change, session, instance)) for instance in self.instances), default=0)


class Cell:
    """What the raw histories say about one scenario, strategy and orientation, pooled over the blocks that were added."""

    def __init__(self, scenario, orientation, instances, horizon=math.inf, scope="subject", survives=True):
        self.scenario, self.orientation, self.horizon, self.scope = scenario, orientation, horizon, scope
        # Does the change end the honest session, too?
        self.ends = orientation == "revoke" and scope not in ONE_SESSION and not survives
        self.instances = range(instances)
        self.blocks, self.judged = [], []
        # The fleet's windows through the session that carries no claim, and for how long (ns) some instance was certainly
        # stale in acknowledged changes without a window.
        self.beside, self.unobserved = [], []
        self.unknown = self.premature = self.exposed = self.traffic = self.wrong_controls = self.controls = 0

    def add(self, index):
        """Takes in one block."""
        # One that was refused, or of which nobody knows, has no window, but is counted.
        changes = index.changes(self.scenario, self.orientation)
        acknowledged = [change for change in changes if change.outcome == "ok"]
        session = SEEN_BY[self.orientation]
        judged = [index.judge(change, session, self.horizon) for change in acknowledged]
        self.unobserved += [index.certain_lower(one.change, session) for one in judged if not one.fleet]
        judged = [one for one in judged if one.fleet]
        self.blocks.append(index.block)
        self.judged += judged
        self.unknown += len(changes) - len(judged)
        if self.looks_beside:
            other = "honest" if session == "pinned" else "pinned"
            beside = [index.judge(change, other, self.horizon, self.ends).fleet for change in acknowledged]
            self.beside += [window for window in beside if window]
        # After an earlier change of the same subject the new answer may be an older one, and is not impossible.
        firsts = [change for change in acknowledged if change in index.first]
        self.premature += sum(windows.premature(change, index.requests(change, session, instance)) for change in firsts for instance in index.instances)
        exposed, traffic = exposure(index, self.scenario, self.orientation, self.scope)
        wrong, asked = controls(index.history, self.scenario)
        self.exposed, self.traffic = self.exposed + exposed, self.traffic + traffic
        self.wrong_controls, self.controls = self.wrong_controls + wrong, self.controls + asked

    @property
    def fleet(self):
        return [one.fleet for one in self.judged]

    @property
    def looks_beside(self):
        """Has the other session anything to show? Not where a revocation means the kept token's session alone."""
        return self.orientation == "grant" or self.scope not in ONE_SESSION

    @property
    def client_visible(self):
        """The fleet's windows as the honest client saw them."""
        return self.fleet if SEEN_BY[self.orientation] == "honest" else self.beside

    @property
    def other_session(self):
        """The fleet's windows through the kept token of a grant."""
        return self.beside if self.orientation == "grant" else []

    @property
    def never_converged(self):
        return sum(window.censored for window in self.fleet)

    @property
    def regressions(self):
        return sum(window.regressions for window in self.fleet)

    @property
    def late_regressions(self):
        return sum(window.late for window in self.fleet)

    @property
    def change_latency(self):
        return [one.change.acknowledged - one.change.submitted for one in self.judged]

    def at(self, position):
        """The windows of one instance."""
        return [one.instances[position] for one in self.judged]

    @property
    def void(self):
        """Why no window of this cell means anything, or ''."""
        if self.premature:
            return f"{self.premature} answers of the new authority came before their change was submitted"
        if self.wrong_controls > CONTROL_LIMIT * self.controls:
            return f"{self.wrong_controls} of {self.controls} answers to never-changed subjects were wrong"
        return ""


def exposure(index, scenario, orientation, scope):
    """Certainly stale background answers, and all background requests after an acknowledgement.

    A revocation is exposed by whoever still gets through: both sessions of a subject that lost a right, but only the kept
    one where a token or a session is revoked, for the other may go on. A grant counts for the honest client alone,
    because a token kept from before says what its holder could do then.
    """
    sessions = ["pinned"] if orientation == "revoke" else ["honest"]
    if orientation == "revoke" and scope not in ONE_SESSION:
        sessions.append("honest")
    exposed = traffic = 0
    for change in index.changes(scenario, orientation, ("treated", "unprobed")):
        if change.outcome != "ok":
            continue
        for session in sessions:
            for instance in index.instances:
                until = index.next_submitted[change]
                after = [
                    request
                    for request in index.by_key[change.subject, session, instance]
                    if request.received < until and request.purpose == "background" and request.sent > change.acknowledged
                ]
                traffic += len(after)
                exposed += sum(request.decision == windows.OLD[orientation] for request in after)
    return exposed, traffic


def controls(history, scenario):
    """Wrong and all answers to the never-changed subjects of a scenario; a token to renew is not a wrong one, errors are none."""
    right = {"control_allowed": "allow", "control_denied": "deny"}
    wrong = asked = 0
    for request in history.requests:
        subject = history.subjects[request.subject]
        if subject.scenario == scenario and subject.role in right and request.purpose != "refresh" and request.decision != "error":
            asked += 1
            wrong += request.decision not in (right[subject.role], "reauthenticate")
    return wrong, asked


def interval_ms(interval):
    """An interval of nanoseconds as milliseconds, or None."""
    return None if interval is None else tuple(end / NS_PER_MS for end in interval)


def quantile_ms(found, p):
    return interval_ms(estimators.quantile(found, p))


def worst_ms(found):
    return interval_ms(estimators.worst(found))
