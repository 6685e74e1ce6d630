"""The room scan: agreed to at its own moment, filmed in memory, looked at, blurred, and only then sealed.

Without Qt and without a device: frames come from anywhere. Nothing is written before :meth:`RoomScan.seal`,
and a student who says no, or who drops the film, leaves nothing but a consent record (rules R1-R4, C2).
"""

from __future__ import annotations

import hashlib
import math
import queue
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from policies.consent import Answers, Grant, require
from policies.engine import EVENTS, ConsentState
from policies.schema import Policy
from proctor.capture.source import FPS as FPS
from proctor.capture.source import Source
from proctor.errors import CheckFailed, DeviceError, InputError
from proctor.evidence.case import Case
from proctor.evidence.encoders import VIDEO_CLOCK, Track, VideoEncoder, fit, mux
from proctor.evidence.erasure import ROOM_SCAN, is_room_scan
from proctor.evidence.journal import SOURCE
from proctor.evidence.ring import MIME
from proctor.evidence.seal import seal
from proctor.session import room_list
from proctor.session.recipients import scan_recipients
from proctor.session.room_list import Lookers, Thing
from proctor.session.sweep import Measured, Sweep, View
from proctor.types import AudioChunk, Clip, Frame, Image, Marker

# Pictures wait for the student's yes as JPEG of this quality, which nobody can tell from the camera's:
# a minute takes about 50 MB instead of 550.
_QUALITY = 92
# What is left of a blurred rectangle: as few tones as this each way. A smoothing filter could be
# undone in part; an average over a quarter of the rectangle cannot.
_TONES = 4
# A live sweep looks this often whether it should end when no frame comes (s).
_WAIT_S = 0.25

Records = Sequence[Mapping[str, Any]]
OnView = Callable[[View], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked for a scan, and why. The first one is asked for by the policy (rule R4)."""

    by: str = ""
    reason: str = ""

    def facts(self) -> dict[str, str]:
        """What the journal keeps of it: nothing for a scan that the policy asks for."""
        said = {"asked_by": self.by, "reason": self.reason}
        return {key: value for key, value in said.items() if value}


@dataclass(frozen=True, slots=True)
class Blur:
    """A rectangle (fractions of the picture) that is made unreadable from second to second of the sweep."""

    x: float
    y: float
    width: float
    height: float
    start: float
    end: float

    def __post_init__(self) -> None:
        inside = 0 <= self.x < 1 and 0 <= self.y < 1 and self.width > 0 and self.height > 0
        if not (inside and 0 <= self.start < self.end):
            raise InputError(
                "A rectangle to blur is x,y,width,height@start-end: fractions of the picture between "
                "0 and 1, and seconds of the sweep, for instance 0.1,0.2,0.3,0.3@4-9."
            )

    @classmethod
    def parse(cls, text: str) -> Blur:
        """``x,y,width,height@start-end``."""
        place, _, span = text.partition("@")
        try:
            numbers = [float(part) for part in (*place.split(","), *span.split("-"))]
        except ValueError:
            numbers = []
        if len(numbers) != 6 or not all(map(math.isfinite, numbers)):
            numbers = [-1.0] * 6  # refused below, with the sentence that says how
        return cls(*numbers)

    def on(self, image: Image, t: float) -> Image:
        """The picture of second ``t`` with the rectangle made unreadable."""
        if not self.start <= t <= self.end:
            return image
        height, width = image.shape[:2]
        left, top = math.floor(self.x * width), math.floor(self.y * height)
        right = min(width, math.ceil((self.x + self.width) * width))
        bottom = min(height, math.ceil((self.y + self.height) * height))
        part = image[top:bottom, left:right]
        tones = (min(_TONES, right - left), min(_TONES, bottom - top))
        coarse = cv2.resize(part, tones, interpolation=cv2.INTER_AREA)
        changed = image.copy()
        changed[top:bottom, left:right] = cv2.resize(coarse, (right - left, bottom - top))
        return changed


def check_offered(policy: Policy) -> None:
    """Raise :class:`InputError` unless ``policy`` offers a room scan to somebody (rule R1)."""
    if policy.room_scan.mode != "offered" or ROOM_SCAN not in policy.purposes:
        raise InputError(
            f"The policy '{policy.id}' has no room scan, so none can be made; only a policy with "
            f'room_scan.mode = "offered" and [purposes.room_scan] has one.'
        )
    if not policy.room_scan.recipients:
        raise InputError(
            f"The policy '{policy.id}' names nobody who could open a room scan; it needs "
            f"room_scan.recipients, keys of their own apart from those of clips."
        )
    scan_recipients(policy)


def check_asked(policy: Policy, records: Records, asked: Asked) -> None:
    """Raise unless the student may be asked now: once, and again only as rule R4 says.

    :class:`CheckFailed` when they said no before; :class:`InputError` for a second time without a
    named person and a written reason.
    """
    check_offered(policy)
    standing = ConsentState.from_records(records).purposes.get(ROOM_SCAN)
    before = any(r["type"] in EVENTS and r["data"].get("purpose") == ROOM_SCAN for r in records)
    declined = standing is not None and standing.status in ("refused", "objected")
    if not (before or declined or any(is_room_scan(r["data"]) for r in records)):
        return
    if len(asked.by.strip()) >= 2 and len(asked.reason.strip()) >= 10:
        return
    if declined:
        raise CheckFailed(
            f"The room scan is not made; what holds instead: {policy.purposes[ROOM_SCAN].alternative}"
        )
    raise InputError(
        "The student was asked for a room scan already. A second one needs a person who asks for it "
        "and a written reason of at least ten letters: --asked-by NAME --reason TEXT."
    )


def record_answer(
    case: Case, policy: Policy, answers: Answers, asked: Asked, t: float, *, new: bool
) -> Grant | None:
    """Write what the student answered at session second ``t``; the grant for one scan if it was a yes.

    ``new``: the case has just begun with these answers, so that a no stands in it already.
    """
    yes = answers.granted.get(ROOM_SCAN) is True
    if new and not yes:
        return None
    data = {
        "t": round(t, 3),
        "purpose": ROOM_SCAN,
        "how": answers.how,
        "language": answers.language,
        "text_sha256": answers.text_sha256(policy),
    }
    data |= asked.facts() | ({} if yes else one_more(case.records()))
    number = case.record("consent.granted" if yes else "consent.refused", data)
    return Grant(ROOM_SCAN, f"{SOURCE}{case.attempt}#{number}") if yes else None


def scans(records: Records) -> int:
    """How many room scans the journal has, erased ones as well."""
    return sum(record["type"] == "sealed" and is_room_scan(record["data"]) for record in records)


def one_more(records: Records) -> dict[str, str]:
    """What a no, or a film that is thrown away, says so that a film handed over before stays."""
    gone = {str(r["data"].get("flag")) for r in records if r["type"] == "erased"}
    kept = any(
        r["type"] == "sealed" and is_room_scan(r["data"]) and r["data"].get("flag") not in gone
        for r in records
    )
    return {"only": _name(scans(records) + 1)} if kept else {}


def _name(number: int) -> str:
    return f"room-scan-{number:03d}"


class RoomScan:
    """One scan of one case, on one thread. ``grant`` is the yes that was given for this very scan.

    ``began`` is the session second at which it begins. :meth:`film` may be called again (a retake):
    what was filmed before is then forgotten.
    """

    def __init__(
        self, case: Case, policy: Policy, grant: Grant, asked: Asked, *, began: float = 0.0
    ) -> None:
        check_offered(policy)
        self._grant = require(grant, ROOM_SCAN)
        self._case = case
        self._policy = policy
        self._asked = asked
        self._began = began
        self._camera: Grant | None = None
        self.forget()

    def forget(self) -> None:
        """Let go of everything filmed and of what was to be blurred."""
        self._sweep = Sweep()
        self._stored: list[tuple[float, bytes]] = []
        self._blurs: list[Blur] = []
        self.measured: Measured | None = None

    def lens(self) -> Grant:
        """Leave to read the camera for this sweep, on the same record; dead once the scan is over."""
        require(self._grant, ROOM_SCAN)
        self._camera = Grant("camera", self._grant.record)
        return self._camera

    def film(self, frames: Iterable[Frame], on_view: OnView = lambda view: None) -> Measured:
        """Take the sweep, at most as long as the policy allows; ``on_view`` hears of every frame.

        Stops at once when the grant is withdrawn, and then keeps nothing.
        """
        self.forget()
        try:
            self._take(frames, on_view)
        finally:
            if isinstance(frames, Generator):
                frames.close()
            if self._camera is not None:
                self._camera.withdraw()
        if not self._stored:
            raise InputError("There is no picture in this sweep, so there is nothing to keep.")
        self.measured = self._sweep.finish()
        return self.measured

    def _take(self, frames: Iterable[Frame], on_view: OnView) -> None:
        first: float | None = None
        for frame in frames:
            if not self._grant.live:
                self.forget()
                require(self._grant, ROOM_SCAN)
            first = frame.t if first is None else first
            t = frame.t - first
            if t > self._policy.room_scan.max_s:
                return
            view = self._sweep.add(Frame(t, frame.seq, frame.image))
            self._stored.append((t, _stored(frame.image)))
            on_view(view)

    # Before anything is handed over.

    def blur(self, region: Blur) -> None:
        """Make a rectangle unreadable, in the preview and for good in what is sealed."""
        self._blurs.append(region)

    def preview(self) -> Iterator[tuple[float, Image]]:
        """Every picture with its second, exactly as it would be sealed but for the film's coding."""
        for t, data in self._stored:
            image = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), 1), dtype=np.uint8)
            for region in self._blurs:
                image = region.on(image, t)
            yield t, image

    def drop(self, write: Callable[[], object] | None = None) -> None:
        """The student does not hand it over: nothing is kept, and the yes is taken back.

        ``write`` puts that on record where a session keeps account of it; may be called twice.
        """
        self.forget()
        if not self._grant.live:
            return
        self._grant.withdraw()
        if write is not None:
            write()
            return
        more = one_more(self._case.records())
        self._case.record("consent.withdrawn", {"t": self._began, "purpose": ROOM_SCAN, **more})

    def seal(self, lookers: Lookers) -> tuple[str, list[Thing]]:
        """Encode, seal and store it; returns its name in the case and the list of things seen."""
        require(self._grant, ROOM_SCAN)
        measured = self.measured
        if measured is None:
            raise InputError("There is no sweep to seal; film one first.")
        name = _name(scans(self._case.records()) + 1)
        film, things = self._encoded(name, measured, lookers)
        asked = {k: v for k, v in (("asked_by", self._asked.by), ("why", self._asked.reason)) if v}
        self._case.store(seal(film, scan_recipients(self._policy)), {"what": ROOM_SCAN, **asked})
        self._case.record(
            "roomscan.sealed",
            {
                "t": round(film.end, 3),
                "scan": name,
                "reason": self._asked.reason or self._policy.room_scan.reason,
                "asked_by": self._asked.by,
                **numbers(measured),
            },
        )
        self._case.record(
            "roomscan.seen",
            {
                "t": round(film.end, 3),
                "scan": name,
                "things": [thing_facts(thing) for thing in things],
                "not_listed": list(lookers.missing),
            },
        )
        self._case.checkpoint()
        self.forget()
        # This yes was for this scan: another one needs another (rule R4).
        self._grant.withdraw()
        return name, things

    def _encoded(self, name: str, measured: Measured, lookers: Lookers) -> tuple[Clip, list[Thing]]:
        looks = set(room_list.chosen(measured.yaws)) if lookers.stations else set()
        focal = 0.5 / math.tan(math.radians(measured.field_of_view) / 2)
        seen: list[Thing] = []
        encoder: VideoEncoder | None = None
        packets = []
        for index, (t, image) in enumerate(self.preview()):
            picture = fit(image)
            if encoder is None:
                encoder = VideoEncoder(picture.shape[1], picture.shape[0], FPS)
            packets += encoder.encode(round((self._began + t) * VIDEO_CLOCK), picture)
            if index in looks:
                yaw = measured.yaws[index][1]
                seen += room_list.look(lookers, Frame(t, index, image), yaw, focal)
        if encoder is None:
            raise InputError("There is no sweep to seal; film one first.")
        track = Track(encoder, packets, round(VIDEO_CLOCK / FPS))
        data = mux([track], track.begin)
        digest = hashlib.sha256(data).hexdigest()
        clip = Clip(name, track.begin, track.end, MIME, data, digest, ("camera",))
        return clip, room_list.listed(seen)


def _stored(image: Image) -> bytes:
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not ok:
        raise InputError(
            "A picture of the sweep cannot be kept; check the camera's picture format."
        )
    return bytes(data)


def numbers(measured: Measured) -> dict[str, Any]:
    """What is told about the sweep: how much was seen, and how well that is known."""
    return {
        "seconds": round(measured.seconds, 1),
        "coverage": None if measured.coverage is None else round(measured.coverage, 3),
        "coverage_at_least": round(measured.at_least, 3),
        "turned": round(measured.turned, 1),
        "error": round(measured.error, 3),
        "known_from": measured.known_from,
        "field_of_view": round(measured.field_of_view, 1),
        "not_told_s": round(measured.not_told_s, 1),
        "why_not": measured.why_not,
    }


def thing_facts(thing: Thing) -> dict[str, Any]:
    """One thing as the journal has it; the direction within one turn."""
    told = asdict(thing)
    told["t"], told["score"] = round(thing.t, 2), round(thing.score, 3)
    told["yaw"] = None if thing.yaw is None else round(thing.yaw % 360, 1)
    box = thing.box
    told["box"] = box and [round(v, 4) for v in (box.x, box.y, box.width, box.height)]
    return told


class _Inbox:
    """A sink that hands the frames of a live source on, in order."""

    def __init__(self) -> None:
        self.items: queue.Queue[Frame | Marker] = queue.Queue()

    def frame(self, frame: Frame) -> None:
        self.items.put(frame)

    def audio(self, chunk: AudioChunk) -> None:
        """A room scan has no sound."""

    def event(self, marker: Marker) -> None:
        self.items.put(marker)


def live(source: Source, until: Callable[[], bool]) -> Iterator[Frame]:
    """Frames of a device until ``until`` is true or the source ends; the device is released after.

    Raises :class:`DeviceError` with the device's own sentence when it gives nothing.
    """
    inbox = _Inbox()
    try:
        source.start(inbox)
        while not until():
            try:
                item = inbox.items.get(timeout=_WAIT_S)
            except queue.Empty:
                continue
            if isinstance(item, Frame):
                yield item
            elif item.kind == "source.ended":
                return
            elif item.kind in ("device.refused", "device.lost"):
                raise DeviceError(str(item.data.get("sentence")))
    finally:
        source.stop()
