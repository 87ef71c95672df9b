"""A directory tree that has everything a backup can get wrong, and a manifest that says whether two trees are the same.

Knows nothing of NDMP. User: backup_restore.py.
"""

import hashlib
import os
import random
import stat

LATIN1_NAME = b"caf\xe9 latin-1"
SMALL_FILES = 2500


def build(root, big_mib=34):
    """Makes the tree below `root` (which must not exist): thousands of small files, `big_mib` MiB of content that cannot be
    compressed, and the odd ones. Needs root for the owners. Always the same tree: seeded."""
    chance = random.Random(10000)
    root = os.fsencode(root)
    os.makedirs(root)
    _many_small(root, chance)
    for number, mib in enumerate([1, 2, 5, 9, big_mib - 17]):
        _write(root + b"/big/blob %d" % number, chance.randbytes(mib << 20))
    _write(root + b"/" + "Grüße/übergroß – 漢字 🎞".encode(), b"utf-8 name\n")
    _write(root + b"/" + LATIN1_NAME, b"a name that is no UTF-8\n")
    _write(root + b"/odd/  leading, trailing and 'quoted' \"spaces\"  ", b"x")
    _write(root + b"/odd/new\nline\ttab\\backslash;$(false)%41", b"shell")
    _write(root + b"/odd/" + b"n" * 255, b"longest name")
    _write(root + b"/deep" + b"/level of a long path" * 30 + b"/bottom", b"deep")
    _write(root + b"/odd/empty", b"")
    _sparse(root + b"/odd/sparse", 3 << 20)
    os.makedirs(root + b"/empty/inside/nothing")
    _links(root)
    _attributes(root, chance)


def _many_small(root, chance):
    for number in range(SMALL_FILES):
        _write(root + b"/small/%02d/%04d.dat" % (number % 40, number), chance.randbytes(chance.choice([1, 17, 511, 512, 513, 1500])))


def _write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "xb") as file:
        file.write(content)


def _sparse(path, length):
    with open(path, "xb") as file:
        file.truncate(length)
        file.seek(length // 2)
        file.write(b"island")


def _links(root):
    os.symlink(b"../big/blob 0", root + b"/odd/relative link")
    os.symlink(b"/nowhere/at all", root + b"/odd/dangling link")
    os.symlink(b"t" * 200, root + b"/odd/long link")
    for name in (b"/odd/second name", b"/empty/third name"):
        os.link(root + b"/big/blob 0", root + name)


def _attributes(root, chance):
    modes = [0o644, 0o600, 0o755, 0o4755, 0o2750, 0o1777, 0o000, 0o444, 0o7777, 0o111]
    for number, path in enumerate(_below(root)):
        link = os.path.islink(path)
        os.chown(path, chance.choice([0, 1, 1000, 65533, 2_000_000]), chance.choice([0, 33, 100, 3_000_000]), follow_symlinks=False)
        if not link:
            os.chmod(path, modes[number % len(modes)] | (0o700 if os.path.isdir(path) else 0))
    # Times last and from the bottom up: every change above them would touch them.
    times = [0, 1, 10**9 - 1, 86_400 * 10**9, 1_234_567_890_123_456_789, 951_782_400 * 10**9 + 999_999_999, 4_102_444_800 * 10**9]
    for number, path in enumerate(reversed(list(_below(root)))):
        time = times[number % len(times)] + number * 10**9
        os.utime(path, ns=(time, time), follow_symlinks=False)


def _below(root):
    """`root` and everything below it, parents first, in a fixed order."""
    yield root
    with os.scandir(root) as found:
        names = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in found)
    for name, is_directory in names:
        path = root + b"/" + name
        if is_directory:
            yield from _below(path)
        else:
            yield path


def manifest(root):
    """Relative name to (type, mode, uid, gid, mtime in ns, size, content or link target, the names that share its inode)."""
    root = os.fsencode(root)
    found, names_of = {}, {}
    for path in _below(root):
        status = os.lstat(path)
        name = os.path.relpath(path, root)
        content = ""
        if stat.S_ISREG(status.st_mode):
            with open(path, "rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            names_of.setdefault(status.st_ino, []).append(name)
        elif stat.S_ISLNK(status.st_mode):
            content = os.readlink(path)
        size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
        found[name] = [stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid,
                       status.st_mtime_ns, size, content, []]
    for names in names_of.values():
        for name in names:
            found[name][-1] = sorted(names)
    return found


FIELDS = ["type", "mode", "uid", "gid", "mtime", "size", "content", "hard links"]


def differences(left, right):
    """What differs between two manifests, one line each."""
    lines = [f"only in the original: {name!r}" for name in left.keys() - right.keys()]
    lines += [f"only in the copy: {name!r}" for name in right.keys() - left.keys()]
    for name in left.keys() & right.keys():
        lines += [f"{name!r}: {what} {a!r} became {b!r}" for what, a, b in zip(FIELDS, left[name], right[name]) if a != b]
    return sorted(lines)
