"""Packet captures of loopback traffic: pcap and pcapng files down to the TCP segments in them.

Understood: Ethernet, Linux cooked (both versions), BSD loopback and raw IP; IPv4 and IPv6 without extension headers;
little and big endian, micro- and nanosecond stamps. Everything else is passed over.
"""

import struct
from typing import NamedTuple

ETHERNET, NULL, RAW, RAW_BSD, COOKED, COOKED_2 = 1, 0, 101, 12, 113, 276
SYN = 0x02
BLOCK_SECTION, BLOCK_INTERFACE, BLOCK_SIMPLE, BLOCK_PACKET = 0x0A0D0D0A, 1, 3, 6
OPTION_END, OPTION_RESOLUTION = 0, 9


class NotACapture(Exception):
    """The file is not a capture that can be read."""


class Segment(NamedTuple):
    """One TCP segment; `at` is nanoseconds of the capture's clock."""

    at: int
    source: tuple
    target: tuple
    sequence: int
    syn: bool
    payload: bytes


def segments(path):
    """The TCP segments of a file, in its order."""
    try:
        with open(path, "rb") as file:
            content = memoryview(file.read())
    except OSError as why:
        raise NotACapture(f"{path}: {why}") from why
    try:
        for at, link, frame in _frames(content):
            found = _segment(at, link, frame)
            if found:
                yield found
    except struct.error as why:
        raise NotACapture(f"{path} ends within a record") from why


def _frames(content):
    magic = bytes(content[:4])
    for order, micro, nano in (("<", b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1"), (">", b"\xa1\xb2\xc3\xd4", b"\xa1\xb2\x3c\x4d")):
        if magic in (micro, nano):
            return _pcap(content, order, 1_000 if magic == micro else 1)
    if magic == struct.pack("<I", BLOCK_SECTION):
        return _pcapng(content)
    raise NotACapture("neither pcap nor pcapng")


def _pcap(content, order, ns_per_tick):
    link = struct.unpack_from(order + "I", content, 20)[0] & 0xFFFF
    at = 24
    record = struct.Struct(order + "IIII")
    while at + record.size <= len(content):
        seconds, fraction, kept, _ = record.unpack_from(content, at)
        at += record.size
        # A capture that was stopped may end within its last packet.
        if at + kept <= len(content):
            yield seconds * 1_000_000_000 + fraction * ns_per_tick, link, content[at : at + kept]
        at += kept


def _pcapng(content):
    at, order, interfaces = 0, "<", []
    while at + 12 <= len(content):
        if bytes(content[at : at + 4]) == struct.pack("<I", BLOCK_SECTION):
            order = "<" if bytes(content[at + 8 : at + 12]) == b"\x4d\x3c\x2b\x1a" else ">"
            interfaces = []
        kind, length = struct.unpack_from(order + "II", content, at)
        if length < 12:
            raise NotACapture(f"a block of {length} bytes")
        body = content[at + 8 : at + length - 4]
        if kind == BLOCK_INTERFACE:
            interfaces.append(_interface(body, order))
        elif kind == BLOCK_PACKET and at + length <= len(content):
            number, high, low, kept, _ = struct.unpack_from(order + "IIIII", body)
            link, ticks_per_s = interfaces[number]
            yield ((high << 32 | low) * 1_000_000_000) // ticks_per_s, link, body[20 : 20 + kept]
        at += length


def _interface(body, order):
    """Link type and ticks per second; microseconds unless an option says otherwise."""
    link = struct.unpack_from(order + "H", body)[0]
    at = 8
    while at + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, at)
        if code == OPTION_END:
            break
        if code == OPTION_RESOLUTION:
            power = body[at + 4]
            return link, 2 ** (power & 0x7F) if power & 0x80 else 10**power
        at += 4 + (length + 3) // 4 * 4
    return link, 1_000_000


# Where the network layer begins, and where its EtherType stands (None: told by the version nibble).
_LAYERS = {ETHERNET: (14, 12), COOKED: (16, 14), COOKED_2: (20, 0), NULL: (4, None), RAW: (0, None), RAW_BSD: (0, None)}


def _segment(at, link, frame):
    if link not in _LAYERS:
        return None
    begins, type_at = _LAYERS[link]
    if len(frame) < begins + 40 or type_at is not None and bytes(frame[type_at : type_at + 2]) not in (b"\x08\x00", b"\x86\xdd"):
        return None
    packet = frame[begins:]
    if packet[0] >> 4 == 4:
        header, total, protocol = (packet[0] & 15) * 4, struct.unpack_from(">H", packet, 2)[0], packet[9]
        addresses = bytes(packet[12:16]), bytes(packet[16:20])
    else:
        header, total, protocol = 40, 40 + struct.unpack_from(">H", packet, 4)[0], packet[6]
        addresses = bytes(packet[8:24]), bytes(packet[24:40])
    if protocol != 6:
        return None
    # A length of 0 is one that segmentation offload left to the hardware.
    tcp = packet[header : total if total > header else len(packet)]
    source, target, sequence, _, offset, flags = struct.unpack_from(">HHIIBB", tcp)
    payload = tcp[(offset >> 4) * 4 :]
    return Segment(at, (addresses[0], source), (addresses[1], target), sequence, bool(flags & SYN), bytes(payload))
