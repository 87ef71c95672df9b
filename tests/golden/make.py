#!/usr/bin/python3
"""Makes GOLD01L8/ beside it from src/tape/FORMAT.md alone, sharing nothing with the code under test.

The tape's life: a record of 4 bytes, a filemark, a record of 1 MiB and a byte, a filemark, a record of 10 bytes; that one
overwritten by a record of 100 bytes (generation 2), two filemarks. Compressed records (codecs 1 and 2) are no part of it:
their bytes depend on the encoder; a golden tape of theirs would be read only.
"""

import pathlib
import struct
import uuid

UUID = uuid.UUID("c0ffee00-1234-4abc-8def-0123456789ab")
CREATED = 1_700_000_000
TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    TABLE.append(byte)


def crc32c(data, seed=0):
    value = seed ^ 0xFFFFFFFF
    for byte in data:
        value = TABLE[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def pattern(length):
    return bytes(range(251)) * (length // 251) + bytes(range(length % 251))


def tape_header(generation, start):
    header = (b"TAPESILO" + struct.pack("<II", 1, 0) + UUID.bytes + struct.pack("<QQQ", CREATED, generation, start)).ljust(4092, b"\0")
    return header + struct.pack("<I", crc32c(header))


class Log:
    """Records one behind the other."""

    def __init__(self):
        self.data, self.block, self.file, self.in_file, self.places = bytearray(8192), 0, 0, 0, []

    def add(self, payload, generation):
        """A record; a filemark if `payload` is None."""
        is_mark, payload = payload is None, payload or b""
        self.places.append((len(self.data), self.block, self.file))
        header = b"TREC" + bytes([2 if is_mark else 1, 0, 0, 0])
        header += struct.pack("<QQQQIII", generation, self.block, self.file, self.in_file, len(payload), len(payload), crc32c(payload))
        header += struct.pack("<I", crc32c(header, crc32c(UUID.bytes)))
        padding = bytes(-len(payload) % 8)
        total = struct.pack("<I", len(header) + len(payload) + len(padding) + 8)
        self.data += header + payload + padding + total + struct.pack("<I", crc32c(total, struct.unpack("<I", header[52:])[0]))
        self.block += 1
        self.file, self.in_file = (self.file + 1, 0) if is_mark else (self.file, self.in_file + 1)


def index(log, generation):
    entries = []
    for place in log.places:
        if not entries or place[0] - entries[-1][0] >= 1 << 20:
            entries.append(place)
    page = (struct.pack("<IQ", len(entries), 0) + b"".join(struct.pack("<QQQ", *entry) for entry in entries)).ljust(4092, b"\0")
    header = b"TAPEINDX" + struct.pack("<II", 1, 0) + UUID.bytes
    header += struct.pack("<QQQQQQ", generation, len(log.data), log.block, log.file, log.in_file, len(entries))
    header = header.ljust(4092, b"\0")
    return header + struct.pack("<I", crc32c(header)) + struct.pack("<I", crc32c(page)) + page


def main():
    log = Log()
    for payload in (b"VOL1", None, pattern((1 << 20) + 1), None):
        log.add(payload, 1)
    start = len(log.data)
    for payload in (pattern(100), None, None):
        log.add(payload, 2)
    log.data[:8192] = tape_header(2, start) * 2
    folder = pathlib.Path(__file__).parent / "GOLD01L8"
    folder.mkdir(exist_ok=True)
    (folder / "data").write_bytes(log.data)
    (folder / "index").write_bytes(index(log, 2))
    (folder / "label.toml").write_text(f"""barcode = "GOLD01L8"
uuid = "{UUID}"
capacity_bytes = 1073741824
worm = false
write_protected = false
created_unix_s = {CREATED}

[counters]
loads = 1
bytes_written = {4 + (1 << 20) + 1 + 10 + 100}
bytes_read = 0
records_written = 4
records_read = 0
filemarks_written = 4
medium_errors = 0
""")


if __name__ == "__main__":
    main()
