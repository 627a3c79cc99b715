"""HTTP/1.1 exchanges as they were on the wire: segments put in order by stream, requests and responses matched per
connection, each with the time of its first and of its last byte."""

import bisect
from typing import NamedTuple

METHODS = (b"GET ", b"POST ", b"PUT ", b"DELETE ", b"HEAD ", b"PATCH ")
WRAP = 1 << 32


class Exchange(NamedTuple):
    """A request with its answer; times are nanoseconds of the capture's clock."""

    server: tuple
    method: str
    path: str
    headers: dict
    body: bytes
    sent: int
    status: int
    answer_headers: dict
    answer: bytes
    received: int


class Stream:
    """One direction of a connection, put in order."""

    def __init__(self):
        self.bytes = bytearray()
        # Where each piece begins in `bytes`, and when it was seen.
        self.starts, self.times = [], []
        self.base = None
        self.waiting = {}
        self.foreign = False

    def add(self, segment):
        if segment.syn:
            self.base = (segment.sequence + 1) % WRAP
            return
        if not segment.payload or self.foreign:
            return
        if self.base is None:
            self.base = segment.sequence
        if not self.bytes and not segment.payload.startswith(METHODS + (b"HTTP/1.",)):
            self.foreign = True
            return
        offset = (segment.sequence - self.base) % WRAP
        # What was seen before (a keep-alive probe, a copy) lies far ahead modulo 2^32.
        if offset < WRAP // 2:
            held = self.waiting.get(offset)
            if held is None or len(held[1]) < len(segment.payload):
                self.waiting[offset] = (segment.at, segment.payload)
            self._drain()

    def _drain(self):
        while self.waiting:
            offset = min(self.waiting)
            if offset > len(self.bytes):
                return
            at, payload = self.waiting.pop(offset)
            new = payload[len(self.bytes) - offset :]
            if new:
                self.starts.append(len(self.bytes))
                self.times.append(at)
                self.bytes += new

    def at(self, offset):
        """When the byte at `offset` was seen."""
        return self.times[bisect.bisect_right(self.starts, offset) - 1]


class Message(NamedTuple):
    first_line: str
    headers: dict
    body: bytes
    first_byte: int
    last_byte: int


def messages(stream):
    """The whole messages of one direction."""
    data, at = stream.bytes, 0
    while (head_ends := data.find(b"\r\n\r\n", at)) >= 0:
        first_line, *lines = data[at:head_ends].decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body_ends = _body_end(data, head_ends + 4, headers, first_line)
        if body_ends is None or body_ends > len(data):
            return
        yield Message(first_line, headers, bytes(data[head_ends + 4 : body_ends]), stream.at(at), stream.at(body_ends - 1))
        at = body_ends


def _body_end(data, at, headers, first_line):
    if first_line.startswith("HTTP/") and first_line.split(" ")[1][:1] == "1" or first_line.split(" ")[1] in ("204", "304"):
        return at
    if "chunked" not in headers.get("transfer-encoding", "").lower():
        return at + int(headers.get("content-length", 0))
    while (line_ends := data.find(b"\r\n", at)) >= 0:
        size = int(bytes(data[at:line_ends]).split(b";")[0], 16)
        at = line_ends + 2 + size + 2
        if size == 0:
            return at
    return None


def exchanges(segments):
    """Every request that was answered, by connection in order of its begin."""
    for client, server in connections(segments):
        if client.foreign or server.foreign:
            continue
        for asked, answered in zip(messages(client), messages(server)):
            method, path, _ = asked.first_line.split(" ", 2)
            status = int(answered.first_line.split(" ", 2)[1])
            yield Exchange(
                server.endpoint, method, path, asked.headers, asked.body, asked.first_byte, status, answered.headers, answered.body, answered.last_byte
            )


def connections(segments):
    """(client's stream, server's stream) of each connection; a new SYN on the same ports is a new connection."""
    open_streams, found = {}, []
    for segment in segments:
        key = segment.source, segment.target
        stream = open_streams.get(key)
        if stream is None or segment.syn and (stream.bytes or stream.foreign):
            stream = open_streams[key] = Stream()
            stream.endpoint = segment.source
            found.append((key, stream))
            # The other direction of an older connection on these ports is over, too.
            other = open_streams.get((segment.target, segment.source))
            if other is not None and (other.bytes or other.foreign) and segment.syn:
                del open_streams[segment.target, segment.source]
            stream.other = None
        stream.add(segment)
        other = open_streams.get((segment.target, segment.source))
        if other is not None and stream.other is None and other.other is None:
            stream.other, other.other = other, stream
    for _, stream in found:
        if stream.other is not None and stream.bytes.startswith(METHODS):
            yield stream, stream.other
