# ruff: noqa: N802 - the tests bear the numbers of the rules they prove
"""The room scan from the question to the sealed film: rules R1 to R4, C2 and C4, with real parts.

The rooms are rendered (turning_rooms.py); consent, film, keys, case, verification and network are real.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from pyrage import x25519

from policies.consent import Grant
from policies.engine import EVENTS, ConsentState
from policies.errors import GrantError
from proctor.cli.main import main
from proctor.errors import CheckFailed, DeviceError, InputError
from proctor.evidence import clip, layout
from proctor.evidence.case import Case
from proctor.evidence.erasure import due
from proctor.evidence.seal import NoKeyError, unseal
from proctor.evidence.verify import verify
from proctor.pipeline.plugins import discover
from proctor.session import room_list
from proctor.session.plan import make_plan
from proctor.session.room_list import Lookers, Thing
from proctor.session.room_scan import Asked, Blur, RoomScan, check_asked, live
from proctor.types import Frame, Marker

_SPEC = importlib.util.spec_from_file_location(
    "turning_rooms", Path(__file__).with_name("turning_rooms.py")
)
rooms = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(rooms)

REVIEWER = x25519.Identity.generate()
OTHER = x25519.Identity.generate()
POLICY = f"""
version = 1
id = "scan-test"
institution = "Test institution"
exam = "Test exam"
contact = "exams@example.org"
stakes = "practice"
languages = ["en"]
recipients = ["{OTHER.to_public()}"]

[purposes.camera]
alternative = "You sit the exam in a room with a person."
[purposes.room_scan]
alternative = "A person looks at the room with you."

[room_scan]
mode = "offered"
reason = "Another person must not be in the room."
alternative = "A person looks at the room with you."
notice_hours = 24
max_s = 10.0
recipients = ["{REVIEWER.to_public()}"]

[detectors.lighting]
[rules."light.dim"]
"""
NOBODY_LISTS = Lookers((), ())
AGAIN = ("--asked-by", "Dr. A. Example", "--reason", "The first film shows only half the room.")


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "scan.toml"
    path.write_text(POLICY, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def turn() -> list[Frame]:
    """Six seconds: 100° at 20° a second."""
    return list(rooms.film(rooms.papered(), rooms.steady(100, 20), 66))


@pytest.fixture(scope="module")
def recording(tmp_path_factory, turn) -> Path:
    return write(tmp_path_factory.mktemp("film") / "turn.mp4", turn)


def write(path: Path, frames: list[Frame]) -> Path:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10, options={"crf": "18", "preset": "ultrafast"})
        stream.height, stream.width = frames[0].image.shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame.image, format="bgr24")))
        file.mux(stream.encode(None))
    return path


def scan(*options: object, policy: Path, case: Path, consent: str = "all") -> int:
    given = ["--policy", policy, "--case", case, "--consent", consent, "--quiet", *options]
    return main(["room-scan", *map(str, given)])


def begun(policy: Path, folder: Path) -> RoomScan:
    """A case with a yes to this very scan, before anything was filmed."""
    from proctor.cli.room_scan import _consent, _opened

    plan = make_plan(str(policy))
    with _opened(plan, folder, _consent(plan, "all", "en"), Asked()) as (case, grant, t):
        pass
    case = Case.resume(folder)
    return RoomScan(case, plan.policy, grant, Asked(), began=t)


def types(folder: Path) -> list[str]:
    return [record["type"] for record in Case.read(folder).records]


def passes(folder: Path) -> bool:
    return all(check.ok for check in verify(folder))


def film_of(folder: Path, name: str, identity: x25519.Identity = REVIEWER) -> bytes:
    sealed = Case.read(folder).sealed[name]
    data = (folder / layout.clip_name(name)).read_bytes()
    return unseal(data, [identity], sha256=str(sealed["sha256"]))


# R1


def test_R1_there_is_no_scan_unless_the_policy_offers_one(policy, recording, tmp_path, capsys):
    text = POLICY.replace('mode = "offered"', 'mode = "off"').replace(
        '[purposes.room_scan]\nalternative = "A person looks at the room with you."\n', ""
    )
    policy.write_text(text, encoding="utf-8")
    assert scan("--from", recording, policy=policy, case=tmp_path / "case") == 2
    assert "has no room scan" in capsys.readouterr().err
    assert not (tmp_path / "case").exists()


def test_R1_that_a_scan_is_required_cannot_be_said(policy, recording, tmp_path, capsys):
    policy.write_text(POLICY.replace('mode = "offered"', 'mode = "required"'), encoding="utf-8")
    assert scan("--from", recording, policy=policy, case=tmp_path / "case") == 2
    assert "off" in capsys.readouterr().err


def test_R1_a_scan_for_nobody_is_not_made(policy, recording, tmp_path, capsys):
    text = POLICY.replace(f'recipients = ["{REVIEWER.to_public()}"]', "")
    policy.write_text(text, encoding="utf-8")
    assert scan("--from", recording, policy=policy, case=tmp_path / "case") == 2
    assert "nobody who could open a room scan" in capsys.readouterr().err


# R2, C2


def test_R2_an_answer_for_the_whole_exam_is_no_answer_for_a_scan(
    policy, recording, tmp_path, capsys
):
    general = tmp_path / "general.toml"
    general.write_text("[consent]\ncamera = true\nroom_scan = true\n", encoding="utf-8")
    case = tmp_path / "case"
    assert scan("--from", recording, policy=policy, case=case, consent=str(general)) == 2
    assert "agreed to by itself" in capsys.readouterr().err
    assert not case.exists()


def test_R2_without_a_terminal_nobody_is_asked_and_nothing_begins(
    policy, recording, tmp_path, capsys
):
    case = tmp_path / "case"
    assert scan("--from", recording, policy=policy, case=case, consent="ask") == 2
    assert "asked" in capsys.readouterr().err
    assert not case.exists()


def test_R2_C2_a_no_leaves_only_the_consent_record(policy, recording, tmp_path, capsys):
    no = tmp_path / "no.toml"
    no.write_text("[consent]\nroom_scan = false\n", encoding="utf-8")
    case = tmp_path / "case"
    assert scan("--from", recording, policy=policy, case=case, consent=str(no)) == 0
    assert "A person looks at the room with you." in capsys.readouterr().err
    assert types(case) == ["consent.recorded"]
    assert not list((case / layout.CLIPS).iterdir())
    assert passes(case)
    # Nobody asks again by themselves.
    assert scan("--from", recording, policy=policy, case=case) == 1


def test_R2_a_scan_needs_the_grant_of_this_moment(policy, tmp_path, turn):
    scanning = begun(policy, tmp_path / "case")
    plan = make_plan(str(policy))
    for other in (None, Grant("camera", "x#1"), Grant("clips", "x#1")):
        with pytest.raises(GrantError):
            RoomScan(scanning._case, plan.policy, other, Asked())
    scanning._case.close()


# R3


def test_R3_what_is_agreed_to_is_sealed_for_its_own_people_and_verifies(
    policy, recording, tmp_path, capsys
):
    case = tmp_path / "case"
    assert scan("--from", recording, "--json", policy=policy, case=case) == 0
    said = json.loads(capsys.readouterr().out)["room_scan"]

    assert said["turned"] == pytest.approx(100, rel=0.1)
    assert said["coverage"] == pytest.approx(166 / 360, rel=0.1)
    assert types(case)[:2] == ["consent.recorded", "consent.granted"]
    assert {"sealing", "sealed", "roomscan.sealed", "roomscan.seen"} <= set(types(case))
    sealed = Case.read(case).sealed["room-scan-001"]
    assert sealed["recipients"] == [str(REVIEWER.to_public())]
    assert clip.info(film_of(case, "room-scan-001")).duration == pytest.approx(5.7, abs=0.3)
    with pytest.raises(NoKeyError):  # who may open the clips may not open the scan
        film_of(case, "room-scan-001", OTHER)
    assert passes(case)


def test_R3_a_sweep_ends_when_its_time_is_over(policy, tmp_path, turn):
    long = [Frame(3.0 * frame.t, frame.seq, frame.image) for frame in turn]
    scanning = begun(policy, tmp_path / "case")
    measured = scanning.film(long)
    assert long[-1].t > 15
    assert 9.0 < measured.seconds <= 10.0
    scanning._case.close()


def test_R3_a_blurred_rectangle_is_gone_from_preview_and_film(policy, tmp_path, turn):
    case = tmp_path / "case"
    scanning = begun(policy, case)
    scanning.film(turn)
    assert not list((case / layout.CLIPS).iterdir())  # nothing on the disk until it is sealed
    scanning.blur(Blur.parse("0.25,0.25,0.5,0.5@1-3"))
    pictures = dict(scanning.preview())
    name, _ = scanning.seal(NOBODY_LISTS)
    scanning._case.close()

    during, after = clip.frames(film_of(case, name), [2.0, 4.0])
    assert detail(pictures[2.0]) < 0.1 * detail(turn[20].image)
    assert detail(during) < 0.1 * detail(turn[20].image)
    assert detail(after) > 0.3 * detail(turn[40].image)
    assert passes(case)


def detail(image: np.ndarray) -> float:
    """How much there is to read in the middle of the picture."""
    height, width = image.shape[:2]
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    middle = grey[height * 3 // 10 : height * 7 // 10, width * 3 // 10 : width * 7 // 10]
    return float(cv2.Laplacian(cv2.GaussianBlur(middle, (5, 5), 0), cv2.CV_64F).var())


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "0,0,1,1", "0,0,0,1@1-2", "0,0,1,1@2-1", "0,0,nan,1@1-2", "a,b,c,d@e-f"]
)
def test_R3_a_rectangle_that_is_none_is_refused(text):
    with pytest.raises(InputError, match="for instance"):
        Blur.parse(text)


def test_R3_a_retake_forgets_the_first_film(policy, tmp_path, turn):
    scanning = begun(policy, tmp_path / "case")
    scanning.film(turn)
    scanning.blur(Blur(0, 0, 1, 1, 0, 9))
    again = scanning.film(turn[:12])
    assert again.seconds == pytest.approx(1.1)
    pictures = list(scanning.preview())
    assert len(pictures) == 12
    assert detail(pictures[3][1]) > 0.3 * detail(turn[3].image)
    scanning._case.close()


def test_R3_a_dropped_film_leaves_the_withdrawal_and_nothing_else(policy, tmp_path, turn):
    case = tmp_path / "case"
    scanning = begun(policy, case)
    scanning.film(turn[:5])
    scanning.drop()
    with pytest.raises(GrantError):
        scanning.seal(NOBODY_LISTS)
    scanning._case.close()
    assert types(case)[-1] == "consent.withdrawn"
    assert not any("roomscan" in kind or "seal" in kind for kind in types(case))
    assert passes(case)


def test_C4_withdrawing_in_the_middle_stops_at_once_and_keeps_nothing(policy, tmp_path, turn):
    scanning = begun(policy, tmp_path / "case")
    seen: list[float] = []

    def withdraw_at_the_tenth(view: object) -> None:
        seen.append(0.0)
        if len(seen) == 10:
            scanning._grant.withdraw()

    lens = scanning.lens()
    with pytest.raises(GrantError):
        scanning.film(turn, withdraw_at_the_tenth)
    assert len(seen) == 10
    assert not list(scanning.preview())
    assert not lens.live
    scanning._case.close()


def test_C4_a_scan_that_is_taken_back_is_due_for_erasure(policy, recording, tmp_path):
    folder = tmp_path / "case"
    assert scan("--from", recording, policy=policy, case=folder) == 0
    case = Case.resume(folder)
    case.record("consent.withdrawn", {"t": 9.0, "purpose": "camera"})
    assert due(case.records()) == {}
    case.record("consent.withdrawn", {"t": 9.0, "purpose": "room_scan"})
    assert due(case.records()) == {"room-scan-001": "room_scan"}
    case.close()


# R4


def test_R4_a_second_scan_needs_a_person_a_reason_and_a_new_yes(
    policy, recording, tmp_path, capsys
):
    case = tmp_path / "case"
    assert scan("--from", recording, policy=policy, case=case) == 0
    assert scan("--from", recording, policy=policy, case=case) == 2
    assert "--asked-by" in capsys.readouterr().err
    short = ("--asked-by", "Dr. A", "--reason", "because")
    assert scan("--from", recording, *short, policy=policy, case=case) == 2

    assert scan("--from", recording, *AGAIN, policy=policy, case=case) == 0
    records = Case.read(case).records
    asked = [r["data"] for r in records if r["type"] == "consent.granted"]
    assert len(asked) == 2
    assert asked[1]["asked_by"] == "Dr. A. Example"
    second = [r["data"] for r in records if r["type"] == "roomscan.sealed"][1]
    assert second["scan"] == "room-scan-002"
    assert second["reason"] == AGAIN[3]
    assert passes(case)


def test_R4_a_no_to_the_second_scan_keeps_the_first_and_adds_only_the_no(
    policy, recording, tmp_path
):
    case, no = tmp_path / "case", tmp_path / "no.toml"
    no.write_text("[consent]\nroom_scan = false\n", encoding="utf-8")
    assert scan("--from", recording, policy=policy, case=case) == 0
    before = types(case)
    assert scan("--from", recording, *AGAIN, policy=policy, case=case, consent=str(no)) == 0
    assert [kind for kind in types(case)[len(before) :] if kind != "agent.gap"] == [
        "consent.refused"
    ]
    assert "room-scan-001" in Case.read(case).sealed


def test_R4_verification_finds_a_second_scan_that_nobody_asked_for(policy, tmp_path, turn):
    folder = tmp_path / "case"
    for _ in range(2):
        scanning = begun_again(policy, folder)
        scanning.film(turn[:3])
        scanning.seal(NOBODY_LISTS)
        scanning._case.close()
    failed = [check for check in verify(folder) if not check.ok]
    assert [check.code for check in failed] == ["clips-agreed"]
    assert "nobody asked for by name" in failed[0].detail


def begun_again(policy: Path, folder: Path) -> RoomScan:
    """As an agent would that forgot to ask who wants the second scan."""
    if not folder.exists():
        return begun(policy, folder)
    case = Case.resume(folder)
    number = case.record("consent.granted", {"t": 1.0, "purpose": "room_scan"})
    plan = make_plan(str(policy))
    return RoomScan(case, plan.policy, Grant("room_scan", f"x#{number}"), Asked())


def test_R3_verification_finds_a_scan_for_other_people_or_without_a_yes(policy, tmp_path, turn):
    plan = make_plan(str(policy))
    for name, text in (("people", str(OTHER.to_public())), ("yes", str(REVIEWER.to_public()))):
        folder = tmp_path / name
        scanning = begun(policy, folder)
        if name == "yes":
            scanning._case.record("consent.refused", {"t": 0.0, "purpose": "room_scan"})
        other = plan.policy.room_scan.model_copy(update={"recipients": (text,)})
        scanning._policy = plan.policy.model_copy(update={"room_scan": other})
        scanning.film(turn[:3])
        scanning.seal(NOBODY_LISTS)
        scanning._case.close()
        assert "clips-agreed" in [check.code for check in verify(folder) if not check.ok]


def test_R4_a_word_about_one_more_film_takes_nothing_back_of_the_first(
    policy, recording, tmp_path, turn
):
    folder = tmp_path / "case"
    film = ("--from", recording)
    no = tmp_path / "no.toml"
    no.write_text("[consent]\nroom_scan = false\n")
    assert scan(*film, policy=policy, case=folder) == 0
    assert scan(*film, *AGAIN, policy=policy, case=folder, consent=str(no)) == 0
    more = another(policy, folder)
    more.film(turn[:3])
    more.drop()
    more.drop()
    words = [r["data"].get("only") for r in more._case.records() if r["type"] in EVENTS]
    assert words == [None, "room-scan-002", None, "room-scan-002"]
    assert ConsentState.from_records(more._case.records()).live("room_scan")
    assert due(more._case.records()) == {}
    # Taking the yes itself back takes all of them.
    record = {"type": "consent.withdrawn", "data": {"t": 9.0, "purpose": "room_scan"}}
    assert due([*more._case.records(), record]) == {"room-scan-001": "room_scan"}
    more._case.close()
    assert passes(folder)


def another(policy: Path, folder: Path) -> RoomScan:
    """One more scan of a case, with a yes of its own."""
    plan = make_plan(str(policy))
    case = Case.resume(folder)
    number = case.record("consent.granted", {"t": 1.0, "purpose": "room_scan"})
    asked = Asked("Dr. A. Example", "The first film shows only half the room.")
    return RoomScan(case, plan.policy, Grant("room_scan", f"x#{number}"), asked)


@pytest.mark.parametrize("kind", ["consent.refused", "consent.withdrawn"])
def test_R4_verification_finds_one_more_film_that_was_said_no_to(
    policy, recording, tmp_path, turn, kind
):
    folder = tmp_path / "case"
    assert scan("--from", recording, policy=policy, case=folder) == 0
    more = another(policy, folder)
    more._case.record(kind, {"t": 2.0, "purpose": "room_scan", "only": "room-scan-002"})
    more.film(turn[:3])
    more.seal(NOBODY_LISTS)
    more._case.close()
    wrong = [check.detail for check in verify(folder) if check.code == "clips-agreed"]
    assert "no yes was given for it" in wrong[0]


def test_R4_who_said_no_before_is_not_asked_by_the_policy_alone(policy):
    plan = make_plan(str(policy))
    general_no = [
        {"id": "1", "type": "consent.recorded", "data": {"granted": {"room_scan": False}}}
    ]
    general_yes = [
        {"id": "1", "type": "consent.recorded", "data": {"granted": {"room_scan": True}}}
    ]
    check_asked(plan.policy, general_yes, Asked())
    with pytest.raises(CheckFailed, match="A person looks at the room"):
        check_asked(plan.policy, general_no, Asked())
    check_asked(plan.policy, general_no, Asked("Dr. A. Example", "A reason in writing."))


# What is listed, and the live path.


def test_things_and_people_in_the_room_are_listed_with_their_direction(
    model: Callable[[str], Path], policy, tmp_path
):
    model("yolo11n")
    wall = rooms.papered(3, ("rocket", "immunohistochemistry", "retina")).copy()
    portrait = cv2.cvtColor(rooms.data.astronaut(), cv2.COLOR_RGB2BGR)
    wall[200:1000, 500:1100] = cv2.resize(portrait, (600, 800))  # her face at about 77°
    frames = list(rooms.film(wall, rooms.steady(120, 20), 66, wobble=0.5))
    lookers = room_list.lookers(discover())
    assert not lookers.missing

    case = tmp_path / "case"
    scanning = begun(policy, case)
    scanning.film(frames)
    _, things = scanning.seal(lookers)
    scanning._case.close()

    # The network also takes some of the other pictures for people; she is the surest of them.
    people = [thing for thing in things if thing.kind == "object.person"]
    best = max(people, key=lambda thing: thing.score)
    assert best.yaw == pytest.approx(77, abs=12)
    assert best.looks >= 2
    seen = next(r["data"] for r in Case.read(case).records if r["type"] == "roomscan.seen")
    assert len(seen["things"]) == len(things)


def test_what_is_off_by_arrangement_is_not_even_loaded():
    found = room_list.lookers(discover(), off=lambda kind: True)
    assert found.stations == []
    (line,) = found.missing
    assert line.endswith("(not measured by arrangement).")


def test_finds_of_one_thing_are_one_line_and_two_in_a_picture_are_two():
    def find(t: float, yaw: float | None, score: float = 0.5, kind: str = "object.book") -> Thing:
        return Thing(kind, t, yaw, score, 1, None)

    seen = [find(0, 10), find(1, 13, 0.9), find(1, 21), find(2, 22), find(3, 200), find(9, 371)]
    told = room_list.listed(seen)
    assert [(t.yaw, t.looks, t.score) for t in told] == [(13, 3, 0.9), (21, 2, 0.5)]
    assert room_list.listed([find(0, None), find(1, None), find(9, None)])[0].looks == 2


def test_R3_a_live_sweep_takes_the_frames_of_a_device_and_lets_go_of_it(turn):
    class Device:  # stands for a camera, which this machine need not have
        stopped = False

        def start(self, sink):
            for frame in turn[:6]:
                sink.frame(frame)
            sink.event(Marker(9.0, self.last, {"sentence": "The camera is gone."}))

        def stop(self):
            self.stopped = True

    device = Device()
    device.last = "source.ended"
    assert [f.seq for f in live(device, lambda: False)] == [0, 1, 2, 3, 4, 5]
    assert device.stopped
    device.last = "device.refused"
    with pytest.raises(DeviceError, match="The camera is gone"):
        list(live(device, lambda: False))
