"""The program's picture in the forms that three systems ask for, all drawn from ``open-proctor.svg``.

.venv/bin/python packaging/icons.py FOLDER
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice
from PySide6.QtGui import QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

PICTURE = Path(__file__).with_name("open-proctor.svg")
PNG_SIZES = (16, 32, 48, 64, 128, 256, 512, 1024)
ICO_SIZES = (16, 32, 48, 64, 128, 256)
# What a size is called inside an .icns file (Apple's icon services).
ICNS_NAMES = {128: b"ic07", 256: b"ic08", 512: b"ic09", 1024: b"ic10"}


def png(size: int) -> bytes:
    """The picture as a square PNG of that many pixels."""
    image = QImage(size, size, QImage.Format.Format_ARGB32)
    image.fill(0)
    painter = QPainter(image)
    QSvgRenderer(str(PICTURE)).render(painter)
    painter.end()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    return bytes(buffer.data().data())


def ico(pictures: dict[int, bytes]) -> bytes:
    """A Windows icon: a table of sizes, then PNG files (read since Windows Vista)."""
    offset = 6 + 16 * len(pictures)
    table, body = struct.pack("<HHH", 0, 1, len(pictures)), b""
    for size, data in pictures.items():
        shown = size % 256  # 0 stands for 256
        table += struct.pack("<BBBBHHII", shown, shown, 0, 0, 1, 32, len(data), offset + len(body))
        body += data
    return table + body


def icns(pictures: dict[int, bytes]) -> bytes:
    """A macOS icon: named PNG files one after another."""
    body = b"".join(
        ICNS_NAMES[size] + struct.pack(">I", 8 + len(data)) + data
        for size, data in pictures.items()
    )
    return b"icns" + struct.pack(">I", 8 + len(body)) + body


def write(folder: Path) -> None:
    """``open-proctor.svg``, ``.ico``, ``.icns`` and a PNG of each size into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {size: png(size) for size in PNG_SIZES}
    for size, data in drawn.items():
        (folder / f"open-proctor-{size}.png").write_bytes(data)
    (folder / "open-proctor.ico").write_bytes(ico({size: drawn[size] for size in ICO_SIZES}))
    (folder / "open-proctor.icns").write_bytes(icns({size: drawn[size] for size in ICNS_NAMES}))
    (folder / "open-proctor.svg").write_bytes(PICTURE.read_bytes())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
