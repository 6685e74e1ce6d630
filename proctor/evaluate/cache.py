"""Scores on disk, computed once: a Parquet file for each recording, detector and recipe.

A row is one observation, in the order in which the rule hears them; a row group holds one kind. A file
appears whole or not at all. What is in it was computed of a person: delete the folder with the
recordings (docs/evaluation.md).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from proctor.errors import InputError, MissingError
from proctor.evaluate.values import Floats
from proctor.types import Box, Observation

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

Codes = npt.NDArray[np.int64]
# Rows of one kind that are held in memory before they are written.
ROWS = 16_384
PIECE = 1 << 20
# Rows that are made into plain values at once: about two stretches in which a rule is not idle.
TOGETHER = 64
# What a rule asks for only where something is under way.
REST = ("x", "y", "width", "height", "quality", "reason", "source")


def parquet() -> tuple[Any, Any]:
    """pyarrow and its Parquet module; :class:`MissingError` where they are not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingError(
            f"Scores are kept with pyarrow, which cannot be loaded ({error}); run "
            f"pip install 'open-proctor[evaluate]'."
        ) from error
    return pyarrow, pyarrow.parquet


def _schema(pa: Any) -> Any:
    words = pa.dictionary(pa.int32(), pa.string())
    numbers = ("t", "score", "quality", "x", "y", "width", "height")
    return pa.schema(
        [*((name, pa.float64()) for name in numbers), ("reason", words), ("source", words)]
    )


class _Kind:
    """Rows of one kind that are not on disk yet."""

    def __init__(self) -> None:
        self.numbers = array("d")
        self.reasons: list[str] = []
        self.sources: list[str] = []

    def add(self, o: Observation) -> None:
        # NaN is no score that a detector could give, so it can stand for "could not tell".
        score = float("nan") if o.score is None else float(o.score)
        box = (o.box.x, o.box.y, o.box.width, o.box.height) if o.box else (float("nan"),) * 4
        self.numbers.extend((o.t, score, o.quality, *box))
        self.reasons.append(o.reason)
        self.sources.append(o.source)


class Writer:
    """Writes the observations of one detector as they come; memory stays flat."""

    def __init__(self, path: Path, kinds: Sequence[str]) -> None:
        self._pa, pq = parquet()
        self._schema = _schema(self._pa)
        self._file = pq.ParquetWriter(path, self._schema, compression="zstd", version="2.6")
        self._kinds = {kind: _Kind() for kind in kinds}
        self._groups: list[str] = []

    def add(self, observation: Observation) -> None:
        rows = self._kinds[observation.kind]
        rows.add(observation)
        if len(rows.reasons) >= ROWS:
            self._flush(observation.kind)

    def close(self, note: str = "") -> None:
        """Write the rest; ``note`` is what is to be known of this detector's run."""
        for kind in self._kinds:
            self._flush(kind)
        told = {"groups": json.dumps(self._groups), "note": note}
        self._file.add_key_value_metadata(told)
        self._file.close()

    def _flush(self, kind: str) -> None:
        rows = self._kinds[kind]
        if not rows.reasons:
            return
        numbers = np.frombuffer(rows.numbers, dtype=np.float64).reshape(-1, 7)
        columns = [self._pa.array(np.ascontiguousarray(numbers[:, i])) for i in range(7)]
        for words in (rows.reasons, rows.sources):
            columns.append(self._pa.array(words).dictionary_encode())
        self._file.write_table(self._pa.table(columns, schema=self._schema))
        self._groups.append(kind)
        self._kinds[kind] = _Kind()


class Reader:
    """The scores of one detector in one recording."""

    def __init__(self, path: Path) -> None:
        pa, pq = parquet()
        try:
            self._file: pyarrow.parquet.ParquetFile = pq.ParquetFile(path)
            told = self._file.metadata.metadata
            groups = json.loads(told[b"groups"])
            self.note = told[b"note"].decode()
        except (OSError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"The kept scores {path} cannot be read ({type(error).__name__}); delete the file and run "
                f"the same command again."
            ) from error
        self._groups: dict[str, list[int]] = {}
        for i, kind in enumerate(groups):
            self._groups.setdefault(kind, []).append(i)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def numbers(self, kind: str, *columns: str) -> list[Floats]:
        """Columns of one kind as arrays [n] (``t``, ``score`` with NaN for unknown, ``quality`` …)."""
        groups = self._groups.get(kind, [])
        if not groups:
            return [np.zeros(0)] * len(columns)
        table = self._file.read_row_groups(groups, columns=list(columns), use_threads=False)
        return [table.column(name).to_numpy() for name in columns]

    def observations(self, kind: str) -> Observations:
        """One kind's observations, whole."""
        return Observations(self, kind)

    def rest(self, kind: str) -> Any:
        """The table of everything but times and scores."""
        groups = self._groups.get(kind, [])
        return self._file.read_row_groups(groups, columns=list(REST), use_threads=False)


class Observations:
    """Observations of one kind by their place; everything but times and scores is read when asked for."""

    def __init__(self, reader: Reader, kind: str) -> None:
        self._reader, self._kind = reader, kind
        self.times, self.scores = reader.numbers(kind, "t", "score")
        self._rest: tuple[Floats, Codes, Codes] | None = None
        self._sources: Sequence[str] = ()
        self._reasons: Sequence[str] = ()
        # A piece of the columns as plain values: a rule asks for neighbours.
        self._piece: list[tuple[Any, ...]] = []
        self._begin = 0

    def __call__(self, i: int) -> Observation:
        place = i - self._begin
        if not 0 <= place < len(self._piece):
            self._load(i)
            place = 0
        t, score, (x, y, width, height, quality), source, reason = self._piece[place]
        return Observation(
            t,
            self._kind,
            None if score != score else score,
            self._sources[source],
            Box(x, y, width, height) if x == x else None,
            quality,
            self._reasons[reason],
        )

    def reasons(self) -> tuple[Codes, Sequence[str]]:
        """For every observation the place of its reason among the texts, which come with them."""
        return self._columns()[2], self._reasons

    def _load(self, begin: int) -> None:
        piece = slice(begin, begin + TOGETHER)
        columns = (self.times, self.scores, *self._columns())
        self._piece = list(zip(*(column[piece].tolist() for column in columns), strict=True))
        self._begin = begin

    def _columns(self) -> tuple[Floats, Codes, Codes]:
        if self._rest is None:
            table = self._reader.rest(self._kind)
            sources, self._sources = _coded(table.column("source"))
            reasons, self._reasons = _coded(table.column("reason"))
            numbers = np.column_stack([table.column(name).to_numpy() for name in REST[:5]])
            self._rest = numbers, sources, reasons
        return self._rest


def _coded(column: Any) -> tuple[Codes, Sequence[str]]:
    """A column of words as places in a list of them."""
    whole = column.unify_dictionaries().combine_chunks()
    # One array, or an array of arrays that now have one dictionary: depends on pyarrow's version.
    chunks = [whole] if hasattr(whole, "indices") else whole.chunks
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in chunks])
    return codes, chunks[0].dictionary.to_pylist()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a recording as it was played. ``end_s`` is when it was over."""

    has_video: bool
    has_audio: bool
    end_s: float
    frames: int
    audio_s: float
    problems: tuple[str, ...]

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> Facts:
        told = json.loads(raw)
        return cls(**{**told, "problems": tuple(told["problems"])})


class Store:
    """The folder of scores. One program writes at a time to a file; a file is put in place whole."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._digests: dict[str, list[Any]] | None = None

    def path(self, media: str, name: str) -> Path:
        """Where the file ``name`` of the recording with digest ``media`` is, or would be."""
        return self.root / media[:2] / media / name

    def put(self, media: str, files: Mapping[str, bytes]) -> None:
        """Keep files of one recording."""
        for name, data in files.items():
            path = self.path(media, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._replace(path, data)

    def facts(self, media: str, name: str) -> Facts | None:
        """What is known of a recording; ``None`` where it was never played."""
        try:
            return Facts.from_json(self.path(media, name).read_bytes())
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None  # never played, or written by another version: it is played again

    def kept_at(self, media: str, name: str) -> float:
        """When a file was kept, in seconds since 1970."""
        return self.path(media, name).stat().st_mtime

    def sha256(self, path: Path) -> str:
        """Digest of a media file, remembered as long as its size and time of change stay.

        Raises ``OSError`` where it cannot be read.
        """
        known = self._load_digests()
        stat = path.stat()
        seen = known.get(str(path.resolve()))
        if seen is not None and seen[:2] == [stat.st_size, stat.st_mtime_ns]:
            return str(seen[2])
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
        known[str(path.resolve())] = [stat.st_size, stat.st_mtime_ns, digest.hexdigest()]
        return digest.hexdigest()

    def remember(self) -> None:
        """Keep the digests of media files for the next run."""
        if self._digests is not None:
            self.root.mkdir(parents=True, exist_ok=True)
            self._replace(self.root / "digests.json", json.dumps(self._digests).encode())

    def _load_digests(self) -> dict[str, list[Any]]:
        if self._digests is None:
            self._digests = {}
            # A lost or damaged list only means that the files are read again.
            with contextlib.suppress(OSError, ValueError):
                told = json.loads((self.root / "digests.json").read_bytes())
                self._digests = told if isinstance(told, dict) else {}
        return self._digests

    def _replace(self, path: Path, data: bytes) -> None:
        beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        beside.write_bytes(data)
        beside.replace(path)
