"""What a run has started: its processes by parentage and by a mark in their environment, and the ports
that they listen on. Linux only, from /proc, standard library only."""

import os
import pathlib
import re
import time

MARK = "REVBENCH_CHECK_MARK"


def _stat(pid):
    """State, parent and start time of a process, or None when it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[1]), fields[19]


def _pids():
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _marked(pid, mark):
    try:
        return f"{MARK}={mark}".encode() in pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def of_run(root_pid, mark):
    """(pid, start time) of every process of the run except its root. The mark finds those that a dead
    parent left behind; parentage finds those that were started with an environment of their own."""
    stats = {pid: stat for pid in _pids() if (stat := _stat(pid))}
    found = {pid for pid in stats if _marked(pid, mark)}
    found.add(root_pid)
    grew = True
    while grew:
        children = {pid for pid, (_, parent, _) in stats.items() if parent in found}
        grew = not children <= found
        found |= children
    return {(pid, stats[pid][2]) for pid in found if pid in stats and pid != root_pid}


def alive(process):
    """Is this very process still there (a zombie has ended, a reused number is another)?"""
    pid, started = process
    stat = _stat(pid)
    return stat is not None and stat[2] == started and stat[0] not in "ZX"


def _sockets(pid):
    try:
        links = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd")]
    except OSError:
        return set()
    return {match[1] for link in links if (match := re.fullmatch(r"socket:\[(\d+)\]", link))}


def listening():
    """Inode to port of every listening TCP socket of this network namespace."""
    found = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in pathlib.Path(table).read_text().splitlines()[1:] if os.path.exists(table) else []:
            fields = line.split()
            if fields[3] == "0A":
                found[fields[9]] = int(fields[1].rpartition(":")[2], 16)
    return found


def listeners_of(processes):
    """Inode to port of what these processes listen on."""
    inodes = set().union(*(_sockets(pid) for pid, _ in processes)) if processes else set()
    return {inode: port for inode, port in listening().items() if inode in inodes}


def wait_until(condition, seconds, step=0.05):
    """The first truthy value of condition within so many seconds, else its last value."""
    give_up = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < give_up:
        time.sleep(step)
    return value


def left_over(root_pid, mark, seen, sockets, seconds):
    """What is still there after so many seconds, in words; empty when nothing is."""
    def rest():
        living = [p for p in seen | of_run(root_pid, mark) if alive(p)]
        ports = [port for inode, port in listening().items() if inode in sockets]
        return living, ports

    wait_until(lambda: rest() == ([], []), seconds)
    living, ports = rest()
    words = [f"process {pid} ({_command(pid)})" for pid, _ in living] + [f"port {port}" for port in ports]
    return ", ".join(words)


def _command(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").split("\n")[0][:80].strip()
    except OSError:
        return "ended"
