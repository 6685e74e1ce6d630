"""The sample exam of ``proctor demo``: about 90 s, composed from the manifest's sample clips.

The clips show different people and rooms one after another: it is no exam that anybody sat, but
each scene is a real recording of what its title says. docs/attributions.md names the makers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from itertools import chain
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from models import registry
from proctor.session.movie import FPS, HEIGHT, RATE, WIDTH, Movie, Scene, room_noise
from proctor.types import Image

# Raise this when the code below draws or mixes differently, so that no old file is played.
_RECIPE = 1
# Peak of a spoken sound, as a share of full scale: somebody near the microphone.
_PEAK = 0.4
# Upright phone footage: the part with head and shoulders, as shares of its height.
_TALL_TOP, _TALL_BOTTOM = 0.07, 0.92
# Width over which its edges fade into the backdrop, in pixels; how dark that is.
_FADE = 28
_BACKDROP = 0.55
# What PyAV calls a rotation counts against the clock.
_TURNS = {
    -90: cv2.ROTATE_90_CLOCKWISE,
    90: cv2.ROTATE_90_COUNTERCLOCKWISE,
    180: cv2.ROTATE_180,
    -180: cv2.ROTATE_180,
}


@dataclass(frozen=True, slots=True)
class _Shot:
    """A stretch of one clip, forward or forward and back, with a sound laid over it.

    Of a broad picture, the upper part of ``height`` is kept (1.0: all), cut out to 4:3 around
    ``centre``. Where more of it must stay, ``width`` says how much. All are shares of the whole.
    """

    sample: str
    begin: float
    end: float
    title: str
    kind: str = ""
    there_and_back: bool = False
    centre: float = 0.5
    height: float = 1.0
    width: float = 0.0
    sound: str = ""
    sound_at: float = 0.0
    sound_s: float = 0.0

    @property
    def seconds(self) -> float:
        return (self.end - self.begin) * (2 if self.there_and_back else 1)


# Times are multiples of 1/20 s. `aside` looks aside from 5.65 s to 10.29 s, measured to a frame.
_SHOTS = (
    _Shot("calm", 0.0, 10.4, "A calm person at the screen"),
    _Shot("aside", 0.0, 5.65, "Still calm"),
    _Shot("aside", 5.7, 10.2, "Eyes to one side of the screen", "gaze.away", there_and_back=True),
    _Shot("aside", 10.3, 15.2, "Calm again"),
    _Shot("phone", 0.0, 7.8, "A phone in the hand", "object.phone"),
    _Shot("calm", 0.0, 4.0, "Calm"),
    _Shot(
        "empty", 0.2, 5.8, "Nobody in the room", "face.absent",
        there_and_back=True, centre=0.55, height=0.68,
    ),
    _Shot("calm", 4.0, 8.0, "Calm"),
    _Shot(
        "pair", 0.0, 4.5, "Two people in the picture", "face.several",
        there_and_back=True, width=0.92,
    ),
    _Shot(
        "calm", 0.0, 5.2, 'Somebody says "Alexa"', "speech.wake_phrase",
        sound="alexa", sound_at=1.6, sound_s=1.98,
    ),
    _Shot(
        "calm", 5.2, 10.4, 'Somebody says "OK Google"', "speech.wake_phrase",
        sound="ok_google", sound_at=1.6, sound_s=1.7,
    ),
    _Shot(
        "calm", 0.0, 10.4, "Somebody talks", "speech.voice",
        sound="talk", sound_at=2.0, sound_s=5.06,
    ),
)  # fmt: skip


def _scenes() -> tuple[Scene, ...]:
    scenes: list[Scene] = []
    at = 0.0
    for shot in _SHOTS:
        end = at + shot.seconds
        if shot.sound:
            heard = at + shot.sound_at
            scenes.append(
                Scene(round(heard, 2), round(heard + shot.sound_s, 2), shot.kind, shot.title)
            )
        else:
            scenes.append(Scene(round(at, 2), round(end, 2), shot.kind, shot.title))
        at = end
    return tuple(scenes)


SCENES = _scenes()
SECONDS = sum(shot.seconds for shot in _SHOTS)


def compose(folder: Path, progress: Callable[[float, float], None] | None = None) -> Path:
    """The sample exam as an MP4 file in ``folder``: made on first use, then found again.

    ``progress(done, total)`` is told in seconds of film. Raises ``models.registry.ModelError`` when a
    clip cannot be had.
    """
    named = chain.from_iterable((shot.sample, shot.sound) for shot in _SHOTS)
    names = [name for name in dict.fromkeys(named) if name]
    target = folder / f"sample-exam-{_recipe_key(names)}.mp4"
    if target.is_file():
        return target
    clips = {name: registry.install_sample(name) for name in names}
    sound = _sound_track(clips)
    with Movie(target) as movie:
        heard = 0
        for shot in _SHOTS:
            for picture in _pictures(shot, clips[shot.sample]):
                movie.picture(picture)
                until = round(movie.seconds * RATE)
                movie.sound(sound[heard:until])
                heard = until
                if progress is not None:
                    progress(movie.seconds, SECONDS)
    return target


def _recipe_key(names: list[str]) -> str:
    pinned = [registry.samples()[name].sha256 for name in names]
    recipe = repr((_RECIPE, [astuple(shot) for shot in _SHOTS], pinned))
    return hashlib.sha256(recipe.encode()).hexdigest()[:12]


def _pictures(shot: _Shot, clip: Path) -> Iterator[Image]:
    """The shot's pictures, one for each 1/20 s: each shows what the clip showed at that moment."""
    shown: list[Image] = []
    for picture in _forward(shot, clip):
        yield picture
        if shot.there_and_back:
            shown.append(picture)
    yield from reversed(shown)


def _forward(shot: _Shot, clip: Path) -> Iterator[Image]:
    wanted = round((shot.end - shot.begin) * FPS)
    given = 0
    last: Image | None = None
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            t = frame.time or 0.0
            # Everything due before this frame shows the one before it.
            while last is not None and given < wanted and shot.begin + given / FPS < t - 1e-6:
                yield last
                given += 1
            if given == wanted:
                return
            # Frames that end before the shot begins are never shown, so they need no fitting.
            if t >= shot.begin - 0.25:
                last = _fit(_upright(frame), shot)
    while last is not None and given < wanted:
        yield last
        given += 1


def _upright(frame: av.VideoFrame) -> Image:
    """BGR, turned as the file asks for (PyAV reports the quarter turns but does not make them)."""
    image: Image = frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
    turn = _TURNS.get(round(frame.rotation))
    return image if turn is None else cv2.rotate(image, turn).astype(np.uint8, copy=False)


def _fit(image: Image, shot: _Shot) -> Image:
    """4:3 at 640×480: cut out of a broad picture; what is not 4:3 stands before a blurred backdrop."""
    height, width = image.shape[:2]
    if width < height:
        return _before_backdrop(image[round(_TALL_TOP * height) : round(_TALL_BOTTOM * height)])
    height = round(height * shot.height)
    keep = round(width * shot.width) or min(width, round(height * WIDTH / HEIGHT))
    left = min(max(0, round(shot.centre * width - keep / 2)), width - keep)
    return _before_backdrop(image[:height, left : left + keep])


def _before_backdrop(image: Image) -> Image:
    """The picture as large as it fits, its edges fading into a dark blur of itself."""
    scale = min(WIDTH / image.shape[1], HEIGHT / image.shape[0])
    width, height = round(image.shape[1] * scale), round(image.shape[0] * scale)
    front: Image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    left, top = (WIDTH - width) // 2, (HEIGHT - height) // 2
    if not left and not top:
        return front
    # Far too few pixels for a face to be left in the backdrop.
    tiny = cv2.resize(front, (8, 6), interpolation=cv2.INTER_AREA) * _BACKDROP
    canvas: Image = cv2.resize(
        tiny.clip(0, 255).astype(np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC
    )
    behind = canvas[top : top + height, left : left + width]
    ramp = np.linspace(0.0, 1.0, _FADE, dtype=np.float32)
    shape = (1, _FADE, 1) if left else (_FADE, 1, 1)
    end = (width if left else height) - _FADE
    for edge, share in ((0, ramp), (end, ramp[::-1])):
        part = np.s_[:, edge : edge + _FADE] if left else np.s_[edge : edge + _FADE, :]
        mixed = front[part] * share.reshape(shape) + behind[part] * (1.0 - share.reshape(shape))
        front[part] = mixed.astype(np.uint8)
    behind[:] = front
    return canvas


def _sound_track(clips: dict[str, Path]) -> npt.NDArray[np.int16]:
    """The whole sound: a still room, with each shot's sound at its place."""
    track = room_noise(SECONDS)
    at = 0.0
    for shot in _SHOTS:
        if shot.sound:
            voice = _mono(clips[shot.sound])
            begin = round((at + shot.sound_at) * RATE)
            room = track[begin : begin + len(voice)]
            room += voice[: len(room)]
        at += shot.seconds
    return track.clip(-32768, 32767).astype(np.int16)


def _mono(clip: Path) -> npt.NDArray[np.float32]:
    """A sound file as mono at 16 kHz, with its loudest sample at ``_PEAK`` of full scale."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    with av.open(str(clip)) as container:
        parts = [
            part.to_ndarray().ravel()
            for frame in chain(container.decode(audio=0), [None])
            for part in resampler.resample(frame)
        ]
    samples: npt.NDArray[np.float32] = np.concatenate(parts).astype(np.float32)
    loudest = max(float(np.abs(samples).max()), 1e-6)
    return samples * np.float32(_PEAK * 32767.0 / loudest)
