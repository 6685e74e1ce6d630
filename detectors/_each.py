"""What stands in single pictures, each judged by itself: for a sweep of a room, where nothing is twice
in the same place and nobody is the student."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from detectors._yolo import ObjectNet
from proctor.pipeline.detector import Kind
from proctor.types import Frame, Image, Observation

# The score from which ultralytics' own ``predict`` shows a box. A person looks at what is listed.
SHOWN = 0.25


class EachPicture:
    """Every thing in the picture as an observation of its own; no memory of the picture before."""

    def __init__(
        self,
        net: ObjectNet,
        name: str,
        kinds: Mapping[str, Kind],
        unfit: Callable[[Image], str],
    ) -> None:
        """``kinds`` says which kind each class of the network is; ``unfit`` why a picture is not judged."""
        self._net = net
        self._name = name
        self._kinds = kinds
        self._unfit = unfit

    def reset(self) -> None:
        """There is no history to forget."""

    def close(self) -> None:
        """The network is freed with the last who holds it."""

    def update(self, frame: Frame) -> Sequence[Observation]:
        reason = self._unfit(frame.image)
        kinds = {kind.name: kind for kind in self._kinds.values()}
        if reason:
            return [
                Observation(frame.t, kind, None, self._name, quality=0.0, reason=reason)
                for kind in kinds
            ]
        found = [f for f in self._net.find(frame.image) if f.score >= SHOWN]
        seen = [
            Observation(frame.t, self._kinds[f.name].name, f.score, self._name, f.box)
            for f in found
        ]
        absent = kinds.keys() - {one.kind for one in seen}
        return seen + [Observation(frame.t, kind, 0.0, self._name) for kind in sorted(absent)]
