"""An exam judged faster than time, as ``proctor exam`` would have run it: same lanes, same evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from proctor.capture.naming import DeviceFacts
from proctor.pipeline.flatout import FlatOut
from proctor.session.session import Session
from proctor.types import Frame


def sit(
    session: Session,
    pictures: Iterable[Frame],
    facts: Sequence[DeviceFacts] = (),
    change: Callable[[Session], None] = lambda session: None,
) -> None:
    """Run ``session`` on ``pictures`` as a live one with the devices ``facts``; ``change`` comes between."""
    frames = list(pictures)
    session._begin("live", [])
    session.attesting.begin(0.0, session.plan, "live", tuple(facts))
    change(session)
    driver = FlatOut(
        session._lanes,
        on_media=session._media,
        on_observations=session._observe(None),
        on_marker=session._marked,
        on_lost=session.recorder.lost,
    )
    session._finish(driver.run(iter(frames)), len(frames), 0)
