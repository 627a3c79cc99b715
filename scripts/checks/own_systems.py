"""A system of systems/ on ports of its own, with its target file rewritten to them. Linux, standard library only."""

import ctypes
import json
import os
import pathlib
import re
import secrets
import select
import signal
import socket
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
REVBENCH = os.environ.get("REVBENCH", str(TARGET / "release/revbench"))
SYSTEMS = ROOT / "systems"
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
ENVIRONMENT = {**os.environ, "REVBENCH_SYSTEM_ADMIN": secrets.token_hex(16)}


class Failed(Exception):
    """Why a check failed, in words."""


def expect(condition, why):
    if not condition:
        raise Failed(why)


def free_ports(count):
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Running:
    """A system that runs until the end of the block. `first_port` and `processes` are those of its `start`."""

    def __init__(self, name, *arguments, first_port, processes):
        self.name = name
        self.ports = dict(zip(range(first_port, first_port + processes), free_ports(processes)))
        self.command = [SYSTEMS / name / "start", *arguments, "--ports", *self.ports.values()]

    def __enter__(self):
        parent = os.getpid()

        def in_child():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

        self.process = subprocess.Popen(list(map(str, self.command)), env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        preexec_fn=in_child)
        ready, _, _ = select.select([self.process.stdout], [], [], 120)
        if not ready or self.process.stdout.readline() != b"ready\n":
            self.process.terminate()
            raise Failed(f"{self.name} does not start: {self.process.communicate(timeout=20)[1].decode(errors='replace').strip()[-600:]}")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def started(self, *arguments):
        """The command that starts it, for others to run; with further arguments."""
        return " ".join(map(str, [*self.command, *arguments]))

    def target_file(self, where, *edits, source=None):
        """Its target file on these ports, with further edits of its text; each of them must change it."""
        text = (source or SYSTEMS / self.name / f"{self.name}.toml").read_text()
        for old, new in [*((f":{old}\"", f":{new}\"") for old, new in self.ports.items() if f":{old}\"" in text), *edits]:
            expect(old in text, f"the target file has no '{old}'")
            text = text.replace(old, new)
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text)
        return where


def revbench(*arguments, seconds=400, folder=None):
    """Runs a command to its end: its exit code, what it printed, and what it said."""
    done = subprocess.run([REVBENCH, *map(str, arguments)], cwd=folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)
    return done.returncode, done.stdout, done.stderr


def last(said):
    """The end of what a command said, on one line."""
    return re.sub(r"\s+", " ", said.strip())[-400:]


def cells(run):
    """The cells of a system by scenario; empty where the run left no summary."""
    path = run / "summary.json"
    if not path.exists():
        return {}
    return {cell["scenario"]: cell for cell in json.loads(path.read_text())["cells"] if cell["strategy"].startswith("target")}
