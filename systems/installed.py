"""Puts what a system needs into a folder of its own: a virtual environment, Node modules, or an unpacked Debian package.

Nothing is installed into the system itself. The folder is `REVBENCH_SYSTEMS`/NAME, by default `target/systems`/NAME. What is
there already, from the same list of versions, is left alone.
"""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]


def folder(name):
    """Where a system's packages are."""
    cache = os.environ.get("REVBENCH_SYSTEMS")
    return (pathlib.Path(cache) if cache else ROOT / "target/systems").resolve() / name


def python(name, requirements):
    """A virtual environment with exactly these packages."""
    where = folder(name)
    wanted = requirements.read_text()
    if is_done(where, wanted):
        return
    anew(where)
    run([sys.executable, "-m", "venv", where / "venv"])
    run([where / "venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements])
    done(where, wanted)


def node(name, package):
    """Node modules, exactly those of `package-lock.json` beside `package.json`."""
    where = folder(name)
    lock = package.with_name("package-lock.json")
    wanted = package.read_text() + lock.read_text()
    if is_done(where, wanted):
        return
    anew(where)
    shutil.copy(package, where)
    shutil.copy(lock, where)
    run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel", "error"], where)
    done(where, wanted)


def debian(name, packages):
    """Debian packages of the running release, unpacked and not installed: no service starts and no file of the system changes."""
    where = folder(name)
    wanted = " ".join(packages)
    if is_done(where, wanted):
        return
    anew(where)
    if subprocess.run(["apt-get", "download", *packages], cwd=where, capture_output=True).returncode != 0:
        run(["apt-get", "-qq", "update"])
        run(["apt-get", "download", *packages], where)
    for package in sorted(where.glob("*.deb")):
        run(["dpkg-deb", "--extract", package, where])
    done(where, wanted)


def is_done(where, wanted):
    stamp = where / "installed"
    return stamp.exists() and stamp.read_text() == wanted


def anew(where):
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)


def done(where, wanted):
    (where / "installed").write_text(wanted)


def run(command, where=None):
    done = subprocess.run(list(map(str, command)), cwd=where, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"'{' '.join(map(str, command))}' ended with {done.returncode}: {(done.stderr + done.stdout).strip()[-800:]}")
