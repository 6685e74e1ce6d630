"""Calibration on the whole screen: a dot to look at, half a minute, and any key skips the rest."""

from __future__ import annotations

import threading

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from policies.texts.told import tell
from proctor.errors import InputError
from proctor.session.calibrate import Calibration, Step
from proctor.session.session import Session
from ui import theme
from ui.student.attempt import Attempt
from ui.widgets.aloud import announce
from ui.widgets.layout import name_it

DOT, RING = 10.0, 22.0
# Dots stay this far inside the edges, so that they are seen whole.
EDGE = 34.0


class CalibrationScreen(QWidget):
    """Walks through the steps of a running session. ``over`` comes at the end, with what was learned."""

    over = Signal(list)
    _stepped = Signal(object)

    def __init__(self, attempt: Attempt, session: Session) -> None:
        super().__init__(None, Qt.WindowType.Window)
        t = attempt.t
        self._t = t
        self._step: Step | None = None
        self._end = threading.Event()
        self._quiet = False
        self._calibration = Calibration(session)
        self.setWindowTitle(t.say("Calibration"))
        name_it(self, t.say("Calibration"), t.say("Look at the dot. Any key skips it."))
        self.setToolTip("")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.BlankCursor)
        self._stepped.connect(self._show, Qt.ConnectionType.QueuedConnection)
        self._thread = threading.Thread(target=self._walk, name="calibration", daemon=True)

    @property
    def needed(self) -> bool:
        """Whether anything in this exam can be calibrated."""
        return bool(self._calibration.senses)

    def begin(self) -> None:
        """Cover the screen and begin."""
        self.showFullScreen()
        self.setFocus()
        self._thread.start()

    def stop(self) -> None:
        """Skip what is left; wider limits hold for it."""
        self._end.set()

    def finish(self) -> None:
        """Stop, say nothing more, and return once nothing of it runs."""
        self._quiet = True
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        self.close()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        self.stop()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.stop()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = theme.colours()
        painter.fillRect(self.rect(), QColor(colours.ground))
        painter.setPen(QColor(colours.text))
        # Below the dot's usual way; what is to be read aloud is longer, and has no dot.
        dotted = self._step is None or self._step.point is not None
        low = QRectF(self.rect()).adjusted(
            EDGE, self.height() * (0.62 if dotted else 0.2), -EDGE, 0
        )
        wrap = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignHCenter
        painter.drawText(low, int(wrap), self._sentence())
        step = self._step
        if step is not None and step.point is not None:
            x = EDGE + step.point[0] * (self.width() - 2 * EDGE)
            y = EDGE + step.point[1] * (self.height() - 2 * EDGE)
            painter.setPen(QPen(QColor(colours.accent), 3.0))
            painter.drawEllipse(QPointF(x, y), RING, RING)
            painter.setBrush(QColor(colours.accent))
            painter.drawEllipse(QPointF(x, y), DOT, DOT)
        painter.end()

    def _sentence(self) -> str:
        step, t = self._step, self._t
        if step is None:
            return t.say("One moment …")
        if step.number == 1 and step.point is not None:
            return t.say(
                "Look at the dot, sit as you will in the exam, and be quiet for {seconds} seconds. "
                "Any key skips this.",
                seconds=step.seconds,
            )
        if step.point is None:
            # No dot: be quiet, or read aloud what stands here.
            return t.say("{sentence} Any key skips this.", sentence=tell(t, step.say))
        return t.say("Follow the dot with your eyes: {n} of {all}.", n=step.number, all=step.count)

    def _show(self, step: object) -> None:
        if isinstance(step, Step):
            if step.number == 1 or step.point is None:
                self._step = step
                announce(self, self._sentence())
            self._step = step
            self.update()
            return
        self.over.emit(step if isinstance(step, list) else [])
        self.close()

    def _walk(self) -> None:
        said: list[str] = []
        steps = self._calibration.steps()
        try:
            for step in steps:
                self._stepped.emit(step)
                if self._end.wait(step.seconds):
                    break
        except InputError as error:
            said.append(str(error))
        finally:
            close = getattr(steps, "close", None)
            if close is not None:
                close()
        if self._quiet:
            return
        if not said:
            said = [outcome.sentence for outcome in self._calibration.outcomes()]
        self._stepped.emit(said)
