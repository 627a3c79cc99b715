"""The processes of one system: started one after another, waited for, and ended together. Linux, standard library only.

Whatever is started here is told to end when this process dies (PR_SET_PDEATHSIG), however it dies. `start` of each system
uses it so: make a `System`, `run` each process, and `stay`.
"""

import argparse
import ctypes
import http.client
import os
import pathlib
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)
READY_WITHIN_S = 60
SECRET = "REVBENCH_SYSTEM_ADMIN"


class Failed(Exception):
    """A process that did not come up or went away, in words."""


def arguments(about, names, first_port):
    """A parser of what every `start` is told: `--ports`, one for each of these processes."""
    parser = argparse.ArgumentParser(description=about)
    usual = list(range(first_port, first_port + len(names)))
    parser.add_argument("--ports", type=int, nargs=len(names), default=usual, metavar=tuple(name.upper() for name in names),
                        help=f"where they listen on 127.0.0.1 (default: {' '.join(map(str, usual))}, as in the target file)")
    return parser


def administrator():
    """The one secret of a system: what its administrator shows. The target file reads the same variable."""
    secret = os.environ.get(SECRET, "")
    if len(secret) < 16:
        raise SystemExit(f"environment variable {SECRET} is not set, or is shorter than 16 characters; set it to something that nobody "
                         f"guesses, such as {secrets.token_hex(16)}, for `start` and for revbench alike")
    return secret


class System:
    """Processes with one folder for what they keep, gone when they are."""

    def __init__(self, name):
        self.name = name
        self._folder = tempfile.TemporaryDirectory(prefix=f"revbench-{name}-")
        self.data = pathlib.Path(self._folder.name)
        self._children = []
        self._stopping = False
        for sent in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(sent, self._stop)

    def _stop(self, *_):
        # Asked twice, it goes on ending: the second time must not cut short what puts things away.
        if not self._stopping:
            self._stopping = True
            raise SystemExit(0)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        for _, child in reversed(self._children):
            if child.poll() is None:
                child.terminate()
        for _, child in self._children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if kind is Failed:
            print(f"{self.name}: {error}", file=sys.stderr)
        self._folder.cleanup()
        if kind is Failed:
            raise SystemExit(1)

    def once(self, command, **variables):
        """Runs a command to its end, such as one that makes a database."""
        done = subprocess.run(list(map(str, command)), env={**os.environ, **text(variables)}, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"{command[0]} ended with {done.returncode}: {(done.stderr + done.stdout).strip()[-600:]}")

    def run(self, name, command, folder=None, **variables):
        """Starts a process; what it says goes into its own file among the data."""
        parent = os.getpid()

        def in_child():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

        with open(self._said(name), "wb") as said:
            child = subprocess.Popen(list(map(str, command)), cwd=folder, env={**os.environ, **text(variables)}, stdin=subprocess.DEVNULL,
                                     stdout=said, stderr=said, preexec_fn=in_child)
        self._children.append((name, child))

    def _said(self, name):
        return self.data / f"{name}.log"

    def _look(self):
        for name, child in self._children:
            if child.poll() is not None:
                words = self._said(name).read_text(errors="replace").strip()[-600:]
                raise Failed(f"{name} ended with {child.returncode}: {words or 'it said nothing'}")

    def wait_for(self, what, answers):
        """Waits until `answers()` is true, and fails where a process ends meanwhile."""
        give_up = time.monotonic() + READY_WITHIN_S
        while not answers():
            self._look()
            if time.monotonic() > give_up:
                raise Failed(f"{what} does not answer within {READY_WITHIN_S} s")
            time.sleep(0.05)
        self._look()

    def stay(self):
        """Says `ready` and stays until it is told to end, or until a process ends by itself, which is a failure."""
        print("ready", flush=True)
        while True:
            self._look()
            time.sleep(0.1)


def text(variables):
    return {name: str(value) for name, value in variables.items()}


def answers(port, path="/healthz", tls=False):
    """Does a server on this port answer requests?"""
    try:
        if tls:
            # Whether it is up is asked here, not who it is.
            connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=ssl._create_unverified_context())
        else:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False


def listens(path):
    """Does a server listen on this Unix socket?"""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            return True
    except OSError:
        return False


def redis(system):
    """Starts a Redis of its own that keeps nothing and has no port; the path of its socket."""
    path = system.data / "redis.sock"
    system.run("redis", ["redis-server", "--port", 0, "--unixsocket", path, "--save", "", "--appendonly", "no", "--dir", system.data])
    system.wait_for("redis", lambda: listens(path))
    return path
