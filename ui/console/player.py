"""The player of clips with what a reviewer needs besides: the noted box, points of a face, others blurred."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox

from models.entries import ModelError
from proctor.evidence.story import FlagStory
from proctor.types import Box, Image
from ui.bridge import Worker
from ui.console.faces import Face, Finder, blurred
from ui.texts import Texts
from ui.widgets.flow import Flow
from ui.widgets.layout import name_it
from ui.widgets.player import SPEEDS, STEP_S, Dressed, Player, unpacked

# A box is where it was at its best moment; half a step beside it is still that picture.
NEAR_S = 0.06


class CasePlayer(Player):
    """Plays the clip of one flag. ``missing``: faces cannot be found here, and why."""

    missing = Signal(str)

    def __init__(self, t: Texts) -> None:
        super().__init__(t, wave=True)
        self.flag: FlagStory | None = None
        self._faces: dict[int, tuple[Face, ...]] = {}
        self._finder: Finder | None = None
        self._looking = Worker(self)
        self.boxes = QCheckBox(t.say("Noted &box"))
        self.points = QCheckBox(t.say("&Face points"))
        self.blur = QCheckBox(t.say("B&lur other people"))
        self.boxes.setChecked(True)
        for box, about in (
            (self.boxes, t.say("Where it was noted, in the one picture for which that is known")),
            (self.points, t.say("Eyes, nose and mouth, found anew on this computer")),
            (
                self.blur,
                t.say("Every face but the largest; the whole picture while faces are looked for"),
            ),
        ):
            name_it(box, box.text().replace("&", ""), about)
            box.toggled.connect(self._changed)
        self.column.addLayout(Flow(self.boxes, self.points, self.blur))

    def shut(self) -> None:
        super().shut()
        self._looking.close()

    def forget(self, instead: str = "") -> None:
        self._faces = {}
        super().forget(instead)

    def faster(self, by: int) -> None:
        """The next speed, or the one before."""
        place = self.speed.currentIndex() + by
        self.speed.setCurrentIndex(min(max(place, 0), len(SPEEDS) - 1))

    def to_the_moment(self) -> None:
        """Stand still where it was noted best, or else where it begins."""
        flag = self.flag
        if flag is None or flag.clip is None:
            return
        at = flag.start if flag.peak_t is None else flag.peak_t
        self.pause()
        self.slider.setValue(round((at - flag.clip.start) / STEP_S))

    # What this player adds to a picture.

    def dress(self, step: int, image: Image) -> Dressed:
        faces = self._faces.get(step)
        boxes = self._noted(step) if self.boxes.isChecked() else ()
        points: Sequence[tuple[float, float]] = ()
        if self.points.isChecked() and faces:
            hidden = faces[1:] if self.blur.isChecked() else ()
            points = [point for face in faces if face not in hidden for point in face.points]
        shown = blurred(image, faces) if self.blur.isChecked() else image
        return shown, boxes, points

    def _noted(self, step: int) -> Sequence[Box]:
        flag = self.flag
        if flag is None or flag.clip is None or flag.box is None or flag.peak_t is None:
            return ()
        near = abs(flag.clip.start + step * STEP_S - flag.peak_t) <= NEAR_S
        return (flag.box,) if near else ()

    def arrived(self, begin: int, pictures: Sequence[bytes]) -> None:
        if self.points.isChecked() or self.blur.isChecked():
            self._look(begin, pictures)

    def _changed(self) -> None:
        wanted = self.points.isChecked() or self.blur.isChecked()
        clip = self._clip
        if wanted and clip is not None:
            begin = next((i for i in range(len(clip.pictures)) if i not in self._faces), None)
            if begin is not None:
                self._look(begin, clip.pictures[begin:])
        self.show_again()

    def _look(self, begin: int, pictures: Sequence[bytes]) -> None:
        """Find faces, a few pictures at a time so that another clip need not wait for the whole."""
        clip = self._clip
        for first in range(0, len(pictures), 10):
            part = list(pictures[first : first + 10])

            def work(part: list[bytes] = part) -> list[tuple[Face, ...]]:
                if clip is not self._clip:
                    return []
                if self._finder is None:
                    self._finder = Finder()
                return [self._finder.find(unpacked(picture)) for picture in part]

            def done(found: list[tuple[Face, ...]], at: int = begin + first) -> None:
                if clip is self._clip:
                    self._faces.update(enumerate(found, at))
                    if at <= self.slider.value() < at + len(found):
                        self.show_again()

            self._looking.run(work, done, self._no_faces)

    def _no_faces(self, error: Exception) -> None:
        if not isinstance(error, ModelError):
            raise error
        # Blur stays on, and then hides the whole picture: that is what was asked for.
        self.missing.emit(str(error))
