"""kill9_database.py COMMAND…: kills a run (kill -9) while its database serves; within five seconds no process of it is
left, no port, no shared memory of it and no folder. Prints what is left and exits 1."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import uuid

sys.dont_write_bytecode = True  # nothing is written beside the sources
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import processes as proc

GRACE_S = 5


def segments():
    """Shared memory that outlives processes."""
    lines = pathlib.Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return {line.split()[1] for line in lines}


def folders():
    return set(pathlib.Path(tempfile.gettempdir()).glob("revbench-database-*"))


def main():
    before = (segments(), folders())
    mark = uuid.uuid4().hex
    run = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           env={**os.environ, proc.MARK: mark})
    seen, sockets = set(), {}

    def serves():
        """Its processes for connections are there: one of the authority, one of each resource server."""
        seen.update(now := proc.of_run(run.pid, mark))
        sockets.update(proc.listeners_of(now))
        return run.poll() is not None or sum(backend(pid) for pid, _ in now) >= 3

    proc.wait_until(serves, 60, 0.02)
    time.sleep(1)
    serves()
    if run.poll() is not None:
        return f"the run ended with {run.returncode} before it was killed"
    if not (segments() - before[0] and folders() - before[1]):
        return "no shared memory and no folder while it served: nothing is checked"
    run.send_signal(signal.SIGKILL)
    run.wait()
    if rest := proc.left_over(run.pid, mark, seen, set(sockets), GRACE_S):
        for pid, _ in filter(proc.alive, seen | proc.of_run(run.pid, mark)):
            os.kill(pid, signal.SIGKILL)  # found out, and not left to whoever runs the checks
        return f"{GRACE_S} s after kill -9 there was still {rest}"
    gone = lambda: not (segments() - before[0] or folders() - before[1])
    if not proc.wait_until(gone, GRACE_S, 0.1):
        return f"kill -9 left shared memory {segments() - before[0]} and folders {folders() - before[1]}"
    return ""


def backend(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"postgres: revbench")
    except OSError:
        return False


if why := main():
    print(why)
    sys.exit(1)
