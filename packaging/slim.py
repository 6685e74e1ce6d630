"""Makes the packed folder smaller on Linux without leaving anything out that is used."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path

from policies.texts import LANGUAGES

# Below this share of its size, what `strip` leaves is worth having.
_WORTH = 0.95
# FFmpeg's libraries; a file is called lib<name>-<digest of the wheel's maker>.so.<major>.<minor>.<micro>.
_FFMPEG = ("avcodec", "avformat", "avutil", "swscale", "swresample")
_VERSION = re.compile(r"\.so\.(\d+)\.(\d+)\.(\d+)$")
# What OpenCV's copy of FFmpeg alone needs.
_ONLY_FFMPEG = ("libvpx-", "libcrypto-", "libssl-", "libdrm-")
# OpenCV's names of BLAS and LAPACK, answered by NumPy's OpenBLAS.
_OPENBLAS = Path(__file__).parent / "linux" / "openblas_lp64.c"
# Libraries that are opened by name, so that no other library says it needs them.
_OPENED_BY_NAME = ("libpython", "libportaudio")
# A table of ICU's that belongs to one language: "fr.res", "sr_Latn_RS.res", but not "pool.res" or "root.res".
_LOCALE = re.compile(r"([a-z]{2,3})(_.*)?\.res$")


def strip(folder: Path) -> None:
    """Take symbols for debuggers out of libraries; those in ``*.libs`` were laid out anew and stay as they are."""
    for path in sorted(folder.rglob("*.so*")):
        if path.is_symlink() or any(part.endswith(".libs") for part in path.parts):
            continue
        trial = path.with_name(path.name + ".stripped")
        subprocess.run(["strip", "--strip-unneeded", "-o", str(trial), str(path)], check=True)
        if trial.stat().st_size < _WORTH * path.stat().st_size:
            trial.chmod(path.stat().st_mode)
            trial.replace(path)
        else:
            trial.unlink()


def share_ffmpeg(inside: Path) -> None:
    """Let OpenCV use PyAV's FFmpeg: both wheels carry one, and ours opens recordings with PyAV only.

    Done only where each library has the same major and the minor is not older, within which FFmpeg promises that
    programs go on working; the loader checks every symbol when ``cv2`` is imported. Raises ``SystemExit`` where
    the two differ more, so that a newer wheel is looked at before it is packed.
    """
    ours, theirs = inside / "av.libs", inside / "opencv_python_headless.libs"
    pairs = [(_library(theirs, name), _library(ours, name)) for name in _FFMPEG]
    for old, new in pairs:
        was, now = _version(old), _version(new)
        if was[0] != now[0] or was > now:
            raise SystemExit(
                f"freeze: OpenCV's {old.name} cannot be replaced by PyAV's {new.name}; "
                "leave share_ffmpeg out, or pin wheels that carry the same FFmpeg."
            )
    for old, new in pairs:
        old.unlink()
        old.symlink_to(Path("..") / ours.name / new.name)
    for path in theirs.iterdir():
        if path.name.startswith(_ONLY_FFMPEG):
            path.unlink()
            if (
                ours / path.name
            ).exists():  # the very same build of it, wanted by PyAV's FFmpeg too
                path.symlink_to(Path("..") / ours.name / path.name)
    _drop_broken_links(inside)


def share_openblas(inside: Path) -> None:
    """Let OpenCV compute with NumPy's OpenBLAS: both wheels carry a whole one.

    A small library in place of OpenCV's own has the names that OpenCV calls and hands each on to NumPy's
    (``linux/openblas_lp64.c``). Raises ``SystemExit`` where OpenCV wants a name that it does not have.
    """
    theirs, ours = inside / "opencv_python_headless.libs", inside / "numpy.libs"
    (old,) = theirs.glob("libopenblas*.so*")
    (new,) = ours.glob("libscipy_openblas64_*.so*")
    (module,) = (inside / "cv2").glob("cv2*.so")
    wanted = _names(module, "--undefined-only") & _names(old, "--defined-only")
    old.unlink()
    subprocess.run(
        ["cc", "-O2", "-s", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-Wl,-z,defs", "-Wl,--build-id=none",
         f"-Wl,-soname,{old.name}", f"-Wl,-rpath,$ORIGIN/../{ours.name}", f"-Wl,-rpath-link,{ours}",
         "-o", str(old), str(_OPENBLAS), str(new)],
        check=True,
    )  # fmt: skip
    if lacking := wanted - _names(old, "--defined-only"):
        raise SystemExit(
            f"freeze: OpenCV also calls {', '.join(sorted(lacking))}; add that to {_OPENBLAS.name}, "
            "or leave share_openblas out."
        )


def trim_icu(folder: Path) -> None:
    """Keep of ICU's tables those that Qt asks for in our five languages: how texts are compared and put in capitals.

    Qt formats numbers and dates, breaks lines and reads UTF-8 with tables of its own; ICU's tables of the world's
    currencies, units, time zones, old encodings and dictionaries are asked for by nothing here. ICU itself provides for
    such a choice (its "data build tool"). The file's form: unicode-org.github.io/icu, "ICU Data", type ``CmnD``.
    """
    (path,) = folder.glob("libicudata.so.*")
    data = path.read_bytes()
    start = data.index(b"CmnD") - 12
    (head,) = struct.unpack_from("<H", data, start)
    base = start + head
    (count,) = struct.unpack_from("<I", data, base)
    offsets = [struct.unpack_from("<II", data, base + 4 + 8 * at) for at in range(count)]
    items = []
    for at, (name, begin) in enumerate(offsets):
        text = data[base + name : data.index(b"\0", base + name)].decode("ascii")
        if not _icu_keeps(text.partition("/")[2]):
            continue
        # The last item's length stands nowhere; if it stayed, it would take along what follows it in the library.
        end = offsets[at + 1][1] if at + 1 < count else len(data) - base
        items.append((text, data[base + begin : base + end]))
    package = text.partition("/")[0].removesuffix("l")
    made = data[start:base] + _icu_table(items)
    work = path.with_name("icu")
    work.mkdir()
    (work / "icu.dat").write_bytes(made)
    symbol = f"{package}_dat"
    (work / "icu.s").write_text(
        f".section .rodata\n.balign 16\n.globl {symbol}\n.type {symbol}, @object\n"
        f'{symbol}:\n.incbin "icu.dat"\n.size {symbol}, . - {symbol}\n.section .note.GNU-stack\n'
    )
    options = ("-shared", "-nostdlib", "-s", "-Wl,--build-id=none", f"-Wl,-soname,{path.name}")
    subprocess.run(["cc", *options, "-o", str(path), "icu.s"], check=True, cwd=work)
    shutil.rmtree(work)


def _icu_keeps(name: str) -> bool:
    """Whether the item ``name`` (without the package's own) stays."""
    place, _, file = name.rpartition("/")
    if place not in ("", "coll"):
        return False
    if file.endswith((".icu", ".nrm")):
        return True
    match = _LOCALE.match(file)
    return file.endswith(".res") if match is None else match[1] in LANGUAGES


def _icu_table(items: list[tuple[str, bytes]]) -> bytes:
    """The body of an ICU package: count, offsets of names and data, names, data at multiples of 16."""
    names, where = b"", []
    front = 4 + 8 * len(items)
    for name, _ in items:
        where.append(front + len(names))
        names += name.encode("ascii") + b"\0"
    body, starts = b"", []
    first = -(-(front + len(names)) // 16) * 16
    for _, content in items:
        body += bytes(-len(body) % 16)
        starts.append(first + len(body))
        body += content
    table = struct.pack("<I", len(items))
    table += b"".join(struct.pack("<II", *pair) for pair in zip(where, starts, strict=True))
    return (table + names).ljust(first, b"\0") + body


def drop_orphans(inside: Path) -> None:
    """Take away libraries of the system that only left-out parts needed, until each that stays is needed by one."""
    while True:
        needed = {
            name
            for path in inside.rglob("*.so*")
            if path.is_file() and not path.is_symlink()
            for name in _needs(path)
        }
        orphans = [
            path
            for path in [*inside.glob("lib*.so*"), *inside.glob("*.libs/lib*.so*")]
            if path.name not in needed and not path.name.startswith(_OPENED_BY_NAME)
        ]
        for path in orphans:
            path.unlink()
        if not orphans:
            break
    _drop_broken_links(inside)


def _drop_broken_links(inside: Path) -> None:
    """PyInstaller links some libraries at the top, too; no link may point to what is gone."""
    for link in inside.iterdir():
        if link.is_symlink() and not link.exists():
            link.unlink()


def _needs(path: Path) -> list[str]:
    said = subprocess.run(["readelf", "-d", str(path)], check=True, capture_output=True, text=True)
    return re.findall(r"\(NEEDED\).*\[(.+)\]", said.stdout)


def _names(path: Path, which: str) -> set[str]:
    said = subprocess.run(
        ["nm", "-D", which, str(path)], check=True, capture_output=True, text=True
    )
    return {line.split()[-1].partition("@")[0] for line in said.stdout.splitlines()}


def _library(folder: Path, name: str) -> Path:
    (found,) = folder.glob(f"lib{name}-*.so.*")
    return found


def _version(path: Path) -> tuple[int, ...]:
    match = _VERSION.search(path.name)
    if match is None:
        raise SystemExit(f"freeze: {path.name} has no version in its name.")
    return tuple(int(number) for number in match.groups())
