#!/usr/bin/python3
"""Writes the first inputs of each target into corpus/TARGET: what a DMA really sends, in the targets' own forms.

What fuzzing adds to them is kept in target/corpus; `cargo fuzz cmin` brings the best of it here.
"""

import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent


def u32(*values):
    return b"".join(struct.pack(">I", value) for value in values)


def opaque(data):
    return u32(len(data)) + data + bytes(-len(data) % 4)


def keep(target, name, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def record(message, cut=None):
    """With one mark, or with two."""
    if cut is None:
        return u32(0x80000000 | len(message)) + message
    return u32(cut) + message[:cut] + record(message[cut:])


def framing():
    message = u32(1, 0, 0, 0x900, 0, 0, 4)
    stream = record(message) + record(message, 5) + u32(0, 0) + record(message)
    keep("framing", "whole", bytes([1, 0]) + stream)
    keep("framing", "cut", bytes([1, 3, 1, 4, 9]) + stream)
    keep("framing", "too_long", bytes([0, 1, 7]) + record(bytes(100)))
    keep("framing", "many_fragments", bytes([0, 0]) + (u32(1) + b"x") * 60)


def session():
    """Settings, then steps: 0x20, which code, how long a body, the body, and what the work comes to."""
    codes = {0x900: 0, 0x900 + 2: 2, 0x101: 5, 0x106: 10, 0x109: 13, 0x200: 15, 0x201: 16, 0x206: 21, 0x300: 22, 0x301: 23, 0x302: 24,
             0x303: 25, 0x304: 26, 0x305: 27, 0x307: 29, 0xA00: 30, 0xA01: 31, 0xA02: 32, 0xA03: 33, 0xA04: 34, 0xA05: 35, 0xA06: 36,
             0xA08: 38, 0xA09: 39}

    def ask(code, body=b"", works=b""):
        return bytes([0x20, codes[code], len(body)]) + body + works

    open_tape = ask(0x300, opaque(b"d0") + u32(1), b"\0")
    cdb = u32(1, 1000, 96) + opaque(bytes([0x12, 0, 0, 0, 96, 0])) + opaque(b"")
    tape = [ask(0x302), ask(0x303, u32(4, 1), b"\0"), ask(0x304, opaque(b"record"), b"\0"), ask(0x305, u32(512), b"\4"),
            ask(0x307, cdb, b"\0"), ask(0x303, u32(5, 1), b"\0")]
    keep("session", "stranger", b"\0" + ask(0x900, u32(4)) + ask(0x109, u32(1, 0x7FF0, 1)) + ask(0x106))
    keep("session", "tape", b"\1" + open_tape + b"".join(tape) + ask(0x301, b"", b"\0"))
    keep("session", "robot", b"\1" + ask(0x200, opaque(b"r"), b"\0") + ask(0x206, cdb, b"\0") + ask(0x201))
    window = ask(0xA08, u32(512)) + ask(0xA05, u32(0, 0, 0xFFFFFFFF, 0xFFFFFFFF))
    listen = ask(0xA01, u32(0, 1), b"\0") + b"\0\0"  # and somebody connects
    ends = b"".join(ask(0xA00) + b"\0" + bytes([end]) + ask(0xA02) for end in (5, 4, 8))
    keep("session", "backup", b"\1" + open_tape + window + listen + ends + ask(0xA03) + ask(0xA04) + ask(0x301, b"", b"\0"))
    recover = ask(0xA09, u32(1, 1, 1, 0x7F000001, 5001, 0), b"\0") + ask(0xA06, u32(0, 0, 0, 4096), b"\0")
    for version in (2, 3):
        setting = bytes([1 | (version - 1) << 2])
        keep("session", f"tape_{version}", setting + open_tape + b"".join(tape) + ask(0x301, b"", b"\0"))
        keep("session", f"backup_{version}", setting + open_tape + window + listen + ends + ask(0xA03) + ask(0xA04) + ask(0x301, b"", b"\0"))
    older = ask(0xA09, u32(1, 1, 0x7F000001, 5001), b"\0") + ask(0xA06, u32(0, 0, 0, 4096), b"\0")
    keep("session", "recover_3", b"\x09" + open_tape + window + older + b"\0\3" + ask(0xA00) + b"\0\6" + ask(0xA04))
    again = ask(0xA06, u32(0, 0, 0, 4096), b"\x40\3")  # and the pump ends while it waits
    keep("session", "read_taken_up_by_the_end_of_the_pump", b"\1" + open_tape + window + recover + again + ask(0xA02))
    keep("session", "recover", b"\1" + open_tape + window + recover + b"\0\3" + ask(0xA00) + b"\0\6" + ask(0xA04))


def command(cdb, data=None, flags=0):
    if data is None:
        return bytes([flags]) + bytes(cdb)
    return bytes([flags | 1]) + bytes(cdb) + struct.pack(">H", len(data)) + data


def six(opcode, flags=0, field=0):
    return bytes([opcode, flags]) + (field & 0xFFFFFF).to_bytes(3, "big") + b"\0"


def drive_cdb():
    mode = bytes([0, 0, 0x10, 0])
    script = [command(six(0x12, 0, 255)), command(six(0x0A, 0, 6), b"record"), command(six(0x10, 0, 2)), command(six(0x01)),
              command(six(0x08, 2, 6)), command(six(0x11, 1, 1)), command(six(0x11, 3)), command(six(0x11, 1, -1))]
    keep("drive_cdb", "tape", b"\0" + b"".join(script))
    modes = [command(six(0x1A, 0, 0x3F00FF)), command(six(0x15, 0x10, 4), mode), command([0x5A, 0, 0x3F, 0, 0, 0, 0, 1, 0, 0])]
    logs = [command([0x4D, 0, 0x40 | page, 0, 0, 0, 0, 1, 0, 0]) for page in (0, 2, 3, 0x0C, 0x11, 0x17, 0x2E, 0x31)]
    pages = [command([0x12, 1, page, 0, 255, 0]) for page in (0, 0x80, 0x83, 0xB0, 0xB1)]
    keep("drive_cdb", "tells", b"\1" + b"".join(modes + logs + pages))
    reserve = command([0x5F, 0, 0, 0, 0, 0, 0, 0, 24, 0], bytes(15) + b"\x77" + bytes(8))
    taken = command([0x5F, 1, 3, 0, 0, 0, 0, 0, 24, 0], bytes(7) + b"\x77" + bytes(16))
    keep("drive_cdb", "reserves", b"\2" + reserve + taken + command(six(0), flags=2) + command([0x5E, 0, 0, 0, 0, 0, 0, 0, 255, 0]))
    places = [command([0x2B, 0, 0, 0, 0, 0, 1, 0, 0, 0]), command([0x34, 6] + [0] * 8), command([0x92, 8] + [0] * 9 + [1, 0, 0, 0, 0]),
              command([0x8C] + [0] * 12 + [255, 0, 0]), command(six(0x1B)), command(six(0x1B, 0, 1)), command(six(0x19))]
    keep("drive_cdb", "places", b"\3" + b"\x85\x04\x00\x85\x00\x10\x81\x00\x01\x88\x10\x00" + b"".join(places))


def changer_cdb():
    status = command([0xB8, 0x10, 0, 0, 0xFF, 0xFF, 3, 0, 255, 255, 0, 0])
    move = command([0xA5, 0, 0, 1, 0x10, 0, 1, 0, 0, 0, 0, 0])
    back = command([0xA5, 0, 0, 1, 1, 0, 0, 0x10, 0, 0, 0, 0])
    exchange = command([0xA6, 0, 0, 1, 0x10, 1, 1, 0, 0x10, 0, 0, 0])
    keep("changer_cdb", "moves", b"\0" + status + move + status + exchange + back + status)
    tells = [command(six(0x12, 0, 255)), command(six(0x1A, 0, 0x3F00FF)), command(six(0x07)), command([0xA3, 0x0C] + [0] * 7 + [255, 0, 0])]
    keep("changer_cdb", "tells", b"\1" + b"".join(tells))
    tag = b"VLT*".ljust(32) + bytes(8)
    search = command([0xB6, 0, 0, 0, 0, 5, 0, 0, 0, 40, 0, 0], tag) + command([0xB5, 0x10, 0, 0, 0xFF, 0xFF, 0, 0, 1, 0, 0, 0])
    keep("changer_cdb", "search", b"\0" + search + command(six(0x16)) + command(six(0), flags=2) + command(six(0x17)))


def configuration():
    for path in [*sorted((REPOSITORY / "config").glob("*.toml")), *sorted((REPOSITORY / "src/scsi/personality").glob("*.toml"))]:
        keep("configuration", path.stem, path.read_bytes()[:8192])
    keep("configuration", "small", b'[server]\nlisten = ["127.0.0.1:10000"]\n[[user]]\nname = "u"\npassword_file = "p"\n'
         b'[[loader]]\nname = "vault"\npath = "v"\nslots = 3\ntape_capacity = "1.5 TiB"\n')


def tape_directory():
    keep("tape_directory", "sound", bytes([0xF1]) + bytes([1, 5, 9, 10, 200, 0, 250, 3]))
    keep("tape_directory", "compressed", bytes([0x85]) + bytes([90, 91, 92, 95, 96, 200, 201, 0]) + bytes([0x10, 0, 40, 4, 1, 2, 3, 4]))
    keep("tape_directory", "cut", bytes([0x41]) + bytes([90, 91, 95, 96]) + bytes([0, 0x40, 0, 5]) + bytes([1 << 3 | 1, 0, 0]))
    keep("tape_directory", "label", bytes([0x40, 0, 0, 0, 0, 0x11, 0, 9, 5]) + b"xxxxx")


if __name__ == "__main__":
    for write in (framing, session, drive_cdb, changer_cdb, configuration, tape_directory):
        write()
    for number in range(0, 400):
        if number % 40 == 0:
            keep("messages", f"type_{number}", struct.pack(">H", number) + u32(0, 1, 2, 0, 0, 0, 4) + opaque(b"name"))
