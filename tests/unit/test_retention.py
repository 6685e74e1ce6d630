"""Retention (rules T1 to T3, O2): what must go goes in time, nothing earlier, and nothing comes back."""

# ruff: noqa: N802 (a test is named after its rule)

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import load
from policies.root import read as _read_root
from policies.schema import Language, Policy
from policies.sign import add_signatures
from policies.texts import erased as texts
from proctor.cli.main import main
from proctor.errors import InputError
from proctor.evidence import hold, keys, layout, retention, tombstone
from proctor.evidence.case import Case
from proctor.evidence.clearing import clear, files_of
from proctor.evidence.hold import Hold, HoldError
from proctor.evidence.retention import Class, Due, Item, Kept, due
from proctor.evidence.verify import verify
from proctor.types import Erasure

DAY = timedelta(days=1)
SAT = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
ONE = "object.phone-001"
CLASSES: tuple[Class, ...] = get_args(Class)
ATTEMPT = "0" * 32


def policy_of(window: int, **days: int) -> Policy:
    policy = load.read("standard")[0]
    kept = policy.retention.model_copy(update={f"{k}_days": v for k, v in days.items()})
    review = policy.review.model_copy(update={"window_days": window})
    return policy.model_copy(update={"retention": kept, "review": review})


def since(item: Item) -> datetime:
    assert item.since is not None
    return item.since


def codes(folder: Path) -> list[str]:
    return [check.code for check in verify(folder) if not check.ok]


# The clocks.


@pytest.mark.parametrize("kind", CLASSES)
def test_T1_each_class_has_its_own_clock(kind: Class) -> None:
    days = {name: 10 * place for place, name in enumerate(CLASSES, start=1)}
    policy = policy_of(90, **days)
    case = Kept(ATTEMPT, tuple(Item(name, f"one-{name}", SAT) for name in CLASSES), frozenset())
    alone = replace(case, items=(Item(kind, f"one-{kind}", SAT),))
    moment = SAT + days[kind] * DAY
    assert due([alone], policy, moment - timedelta(seconds=1)) == []
    assert [one.item.kind for one in due([alone], policy, moment)] == [kind]
    for other in due([case], policy, moment):
        assert days[other.item.kind] <= days[kind], "another class went before its own time"


def test_O2_a_flag_nobody_decided_on_expires_with_the_review_window() -> None:
    policy = policy_of(14, clips=60)
    case = Kept(ATTEMPT, (Item("clips", "a", SAT), Item("clips", "b", SAT)), frozenset({"a"}))
    (one,) = due([case], policy, SAT + 14 * DAY)
    assert (one.item.name, one.rule) == ("b", "O2")
    assert "14 days" in one.why
    assert {o.item.name: o.rule for o in due([case], policy, SAT + 60 * DAY)} == {
        "a": "T1",
        "b": "O2",
    }


def test_T1_clips_go_with_the_journal_they_are_checked_against() -> None:
    policy = policy_of(90, clips=100, journal=20)
    case = Kept(ATTEMPT, (Item("journal", "_case", SAT), Item("clips", "a", SAT)))
    found = due([case], policy, SAT + 20 * DAY)
    assert [one.item.kind for one in found] == ["clips", "journal"]


def test_T3_identity_data_goes_when_the_exam_is_closed() -> None:
    policy = policy_of(14, identity=0)
    still_open = Kept(ATTEMPT, (Item("identity", "face", None),))
    assert due([still_open], policy, SAT + 10_000 * DAY) == []
    closed = Kept(ATTEMPT, (Item("identity", "face", SAT),))
    assert [one.rule for one in due([closed], policy, SAT)] == ["T3"]


@pytest.mark.parametrize("name", ["face.npy", "identity/face.bin", "clips/voiceprint.json"])
def test_T3_a_case_has_no_place_for_a_template(finished_case: Path, name: str) -> None:
    path = finished_case / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(512))
    assert "folder" in codes(finished_case)


def test_a_time_at_the_end_of_the_calendar_is_never_over() -> None:
    last = datetime.max.replace(tzinfo=UTC)
    case = Kept(ATTEMPT, (Item("clips", "a", last),))
    assert due([case], policy_of(1, clips=1), SAT + 9000 * DAY) == []


# Years of simulated time.

_moments = st.integers(0, 365 * 3).map(lambda day: SAT + day * DAY)
_items = st.builds(
    lambda kind, number, since: Item(kind, f"{kind}-{number}", since),
    st.sampled_from(CLASSES),
    st.integers(0, 3),
    _moments,
)
_holds = st.builds(
    lambda start, length, flags: (start, Hold(ATTEMPT, flags, "N", "R", start + length * DAY)),
    _moments,
    st.integers(1, 500),
    st.frozensets(st.integers(0, 3).map(lambda n: f"clips-{n}"), max_size=2),
)


@settings(max_examples=60, deadline=None)
@given(
    items=st.lists(_items, max_size=8, unique_by=lambda item: item.name),
    decided=st.dictionaries(st.integers(0, 3).map(lambda n: f"clips-{n}"), _moments),
    placed=st.lists(_holds, max_size=3),
    window=st.integers(1, 90),
    days=st.fixed_dictionaries({name: st.integers(1, 400) for name in CLASSES}),
    backups=st.dictionaries(st.integers(0, 200), st.integers(0, 7), max_size=6),
    taken_back=st.dictionaries(st.sampled_from(CLASSES), _moments, max_size=2),
    step=st.integers(1, 30),
)
def test_T2_over_years_nothing_goes_early_stays_late_or_comes_back(
    items: list[Item],
    decided: dict[str, datetime],
    placed: list[tuple[datetime, Hold]],
    window: int,
    days: dict[str, int],
    backups: dict[int, int],
    taken_back: dict[Class, datetime],
    step: int,
) -> None:
    policy = policy_of(window, **days)
    there = {item.name: item for item in items}
    gone: dict[str, datetime] = {}
    for tick in range(365 * 6 // step):
        now = SAT + tick * step * DAY
        live = [one for start, one in placed if start <= now < one.until]
        read = frozenset(flag for flag, when in decided.items() if when <= now)
        returned = set()
        if items and tick in backups:
            back = items[backups[tick] % len(items)]
            if back.name in gone:
                there[back.name] = back
                returned.add(back.name)
        lost = frozenset(kind for kind, when in taken_back.items() if when <= now)
        case = Kept(ATTEMPT, tuple(there.values()), read, tuple(live), frozenset(gone), lost)
        found = due([case], policy, now)
        assert len({one.item.name for one in found}) == len(found)
        for one in found:
            if one.item.name in returned:
                continue
            name, kind = one.item.name, one.item.kind
            stopped = any(
                not one_hold.flags or name in one_hold.flags or kind not in retention.SEALED
                for one_hold in live
            )
            assert not stopped, "a hold did not stop an erasure"
            own = since(one.item) + days[kind] * DAY
            if kind == "clips" and name not in read:
                own = min(own, since(one.item) + window * DAY)
            if kind in lost:
                own = since(one.item)
            with_journal = kind in retention.SEALED and any(o.item.kind == "journal" for o in found)
            assert now >= own or with_journal, "something went before its time"
        assert returned <= {one.item.name for one in found}, "a backup brought something back"
        for one in found:
            there.pop(one.item.name)
            gone[one.item.name] = now
        after = Kept(ATTEMPT, tuple(there.values()), read, tuple(live), frozenset(gone), lost)
        assert due([after], policy, now) == [], "one pass was not enough"
        for item in there.values():
            overdue = now >= since(item) + days[item.kind] * DAY
            overdue = overdue or (item.kind in lost and now >= since(item))
            assert not overdue or live, "something stayed after its time without a hold"
    assert not there, "after six years everything must be gone"


# Holds.


def signed(held: Hold, *signers: Ed25519PrivateKey) -> bytes:
    return hold.write(held, signers)


def test_T2_a_hold_needs_name_reason_end_and_two_signatures() -> None:
    first, second, stranger = (Ed25519PrivateKey.generate() for _ in range(3))
    trusted = [first.public_key(), second.public_key()]
    held = Hold(ATTEMPT, frozenset({ONE}), "Dr. Ada Lin", "An appeal is open.", SAT + 90 * DAY)
    assert hold.read(add_signatures(signed(held, first), [second]), trusted) == held
    for signers in ((first,), (first, first), (first, stranger)):
        with pytest.raises(HoldError, match="not in force"):
            hold.read(signed(held, *signers), trusted)
    for missing in ({"name": ""}, {"reason": " "}, {"until": datetime(2027, 1, 1)}):
        with pytest.raises(HoldError):
            signed(replace(held, **missing), first, second)


def test_T2_a_hold_stops_its_clips_and_the_journal_until_it_ends() -> None:
    policy = policy_of(1, clips=1, journal=1)
    items = (Item("clips", "a", SAT), Item("clips", "b", SAT), Item("journal", "_case", SAT))
    held = Hold(ATTEMPT, frozenset({"a"}), "N", "R", SAT + 30 * DAY)
    case = Kept(ATTEMPT, items, holds=(held,))
    assert [one.item.name for one in due([case], policy, SAT + 29 * DAY)] == ["b"]
    assert [one.item.name for one in due([case], policy, SAT + 30 * DAY)] == ["a", "b", "_case"]
    elsewhere = replace(case, holds=(replace(held, attempt="1" * 32),))
    assert len(due([elsewhere], policy, SAT + 2 * DAY)) == 3


# A real case.


def clip(folder: Path, flag: str = ONE) -> Path:
    return folder / layout.clip_name(flag)


def looked_at(folder: Path) -> Kept:
    return retention.kept(Case.read(folder), files_of(folder))


def test_T1_a_room_scan_of_a_case_has_its_own_clock(
    begin_case: Callable[..., Case], add_flag: Callable[..., Path]
) -> None:
    case = begin_case()
    add_flag(case, ONE, 10.0)
    sealed = case.records()[-1]["data"]
    case.record("sealed", {**sealed, "flag": "room.scan-001", "what": "room_scan"})
    (case.folder / layout.clip_name("room.scan-001")).write_bytes(clip(case.folder).read_bytes())
    case.record("session.ended", {"t": 60.0, "summary": {}}, 60.0)
    case.close()
    now = SAT + 8 * DAY
    (one,) = due([looked_at(case.folder)], policy_of(14, room_scan=7), now)
    assert (one.item.kind, one.item.name, one.rule) == ("room_scan", "room.scan-001", "T1")
    clear(case.folder, [one], now)
    assert not clip(case.folder, "room.scan-001").exists()
    assert clip(case.folder).exists()


def test_T2_keys_go_first_then_bytes_then_a_tombstone(
    finished_case: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = clip(finished_case).read_bytes()
    header = tombstone.header_length(sealed)
    assert sealed[:header].startswith(b"age-encryption.org/v1\n")
    assert b"\n--- " in sealed[:header]
    seen: list[bytes] = []
    unlink = Path.unlink

    def watching(path: Path, missing_ok: bool = False) -> None:
        if path == clip(finished_case):
            seen.append(path.read_bytes())
            assert ONE not in [r["data"].get("flag") for r in records() if r["type"] == "erased"]
        unlink(path, missing_ok)

    def records() -> list[dict[str, Any]]:
        lines = (finished_case / layout.JOURNAL).read_bytes().splitlines()
        return [json.loads(line) for line in lines]

    monkeypatch.setattr(Path, "unlink", watching)
    now = SAT + 15 * DAY
    found = due([looked_at(finished_case)], policy_of(14, clips=60), now)
    clear(finished_case, found, now)
    assert seen == [bytes(header) + sealed[header:]], "the keys were not destroyed before the bytes"
    assert not clip(finished_case).exists()
    last = [r["data"] for r in records() if r["type"] == "erased"]
    assert [(r["flag"], r["rule"]) for r in last] == [
        (f"object.phone-00{n}", "O2") for n in (1, 2, 3)
    ]
    assert codes(finished_case) == []
    assert due([looked_at(finished_case)], policy_of(14, clips=60), now) == []


def test_T2_after_a_crash_between_keys_and_tombstone_the_erasure_is_finished(
    finished_case: Path,
) -> None:
    raw = clip(finished_case).read_bytes()
    clip(finished_case).write_bytes(bytes(tombstone.header_length(raw)) + raw[-9:])
    clip(finished_case, "object.phone-002").unlink()
    policy, now = policy_of(14), SAT + 15 * DAY
    clear(finished_case, due([looked_at(finished_case)], policy, now), now)
    assert codes(finished_case) == []


def test_T2_a_restored_clip_is_noticed_and_goes_again(finished_case: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(finished_case, backup)
    policy, now = policy_of(14), SAT + 15 * DAY
    clear(finished_case, due([looked_at(finished_case)], policy, now), now)
    shutil.copy(clip(backup), clip(finished_case))
    assert codes(finished_case) == ["clips-erased"]
    (again,) = due([looked_at(finished_case)], policy, now)
    assert (again.item.name, again.rule) == (ONE, "T2")
    clear(finished_case, [again], now)
    assert not clip(finished_case).exists()
    assert codes(finished_case) == []


def test_T2_a_restored_case_does_not_bring_its_clips_back(
    finished_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(finished_case, backup)
    now = SAT + 15 * DAY
    clear(finished_case, due([looked_at(finished_case)], policy_of(14), now), now)
    assert Case.read(backup).sealed == {}, "a restored journal made a clip readable again"
    assert main(["case", "open", str(backup), ONE]) == 2
    assert "clips are not kept" in capsys.readouterr().err
    found = due([looked_at(backup)], policy_of(90, clips=365), SAT + DAY)
    assert [one.rule for one in found] == ["T2"] * 3
    clear(backup, found, now)
    assert not any((backup / layout.CLIPS).iterdir())
    assert codes(backup) == []


def test_T1_when_the_journal_goes_the_whole_case_goes_for_good(
    finished_case: Path, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(finished_case, backup)
    attempt = Case.read(finished_case).attempt
    now = SAT + 400 * DAY
    clear(finished_case, due([looked_at(finished_case)], policy_of(14), now), now)
    assert not finished_case.exists()
    assert not keys.attempt_key_path(attempt).exists()
    clear(backup, due([looked_at(backup)], policy_of(14), SAT + DAY), now)
    assert not backup.exists(), "a restored copy of an erased case stayed"


def test_erasing_does_not_begin_the_journals_clock_anew(finished_case: Path) -> None:
    before = looked_at(finished_case).items[-1]
    now = SAT + 15 * DAY
    clear(finished_case, due([looked_at(finished_case)], policy_of(14), now), now)
    assert looked_at(finished_case).items == (before,)
    assert before.since == SAT + timedelta(seconds=60)


def test_a_tombstone_that_nobody_signed_says_nothing(finished_case: Path) -> None:
    attempt = Case.read(finished_case).attempt
    erasure = Erasure("the clip", SAT.isoformat(), "why", "T1")
    tombstone.keep(attempt, ONE, erasure, Ed25519PrivateKey.generate())
    with pytest.raises(InputError, match="damaged"):
        Case.read(finished_case)


def test_without_the_attempts_key_nothing_is_erased(finished_case: Path) -> None:
    keys.attempt_key_path(Case.read(finished_case).attempt).unlink()
    before = clip(finished_case).read_bytes()
    now = SAT + 15 * DAY
    with pytest.raises(InputError, match="another computer"):
        clear(finished_case, due([looked_at(finished_case)], policy_of(14), now), now)
    assert clip(finished_case).read_bytes() == before


def test_T2_the_student_is_told_what_when_why_and_whom_to_ask(finished_case: Path) -> None:
    now = SAT + 15 * DAY
    policy = policy_of(14)
    told = retention.notice(policy, due([looked_at(finished_case)], policy, now), now)
    for part in (policy.institution, policy.exam, policy.contact, "16 March 2026, 09:00 UTC", ONE):
        assert part in told
    assert told.count("Nobody decided on it within 14 days.") == 3


@pytest.mark.parametrize("lang", get_args(Language))
def test_T2_the_student_is_told_in_their_language(lang: Language) -> None:
    policy = policy_of(14).model_copy(update={"languages": ("nl", "en")})
    found = [
        Due(ATTEMPT, Item("clips", ONE, SAT), SAT, "x", "O2"),
        Due(ATTEMPT, Item("room_scan", "room-scan-001", SAT), SAT, "x", "C4"),
        Due(ATTEMPT, Item("identity", "face", SAT), SAT, "x", "T3"),
        Due(ATTEMPT, Item("decisions", "d", SAT), SAT, "The board {asked}.", "request"),
        Due(ATTEMPT, Item("research", "copy.zip", SAT), SAT, retention.ERASED_BEFORE, "T2"),
        Due(ATTEMPT, Item("clips", "x", SAT), SAT, retention.WITH_ITS_JOURNAL, "T1"),
        Due(ATTEMPT, Item("journal", "_case", SAT), SAT, "x", "T1"),
    ]
    told = retention.notice(policy, found, SAT, lang)
    assert told.count("\n- ") == len(found)
    for words in (ONE, "room-scan-001", "copy.zip", "The board {asked}.", "14", "365"):
        assert words in told
    english = retention.notice(policy, found, SAT, "en").splitlines()
    same = [line for line in told.splitlines() if line and line in english]
    assert bool(same) == (lang == "en"), same
    assert texts.language_of(lang, policy) == lang
    assert texts.language_of("tlh", policy) == "nl"


# The command.


def test_erase_lists_erases_and_tells(
    finished_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(finished_case)
    assert main(["case", "erase", folder]) == 0
    assert "clip of object.phone-001" in capsys.readouterr().out
    assert clip(finished_case).exists(), "listing must erase nothing"
    assert main(["case", "erase", folder, "--flag", ONE]) == 2
    notice = tmp_path / "notice.txt"
    words = ["--flag", ONE, "--why", "The appeal board asked.", "--notice", str(notice)]
    assert main(["case", "erase", folder, *words]) == 0
    assert "The appeal board asked." in notice.read_text("utf-8")
    assert not clip(finished_case).exists()
    assert codes(finished_case) == []
    assert main(["case", "erase", folder, "--flag", ONE, "--why", "Again."]) == 2
    assert "keeps no clip" in capsys.readouterr().err


def test_a_later_policy_can_only_shorten(
    finished_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = load.read_bytes("practice")
    path = tmp_path / "other.toml"
    path.write_bytes(other)
    assert main(["case", "erase", str(finished_case), "--policy", str(path)]) == 2
    assert "under which this exam was sat" in capsys.readouterr().err


def test_T2_two_people_hold_a_case_at_the_command_line(
    finished_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse battery staple\n", "utf-8")
    secret.chmod(0o600)
    for name in ("ada", "ben"):
        words = ["new", name, "--signing", "--dir", str(tmp_path), "--passphrase-file", str(secret)]
        assert main(["keys", *words]) == 0
    institution = load.parse(Case.read(finished_case).policy, "of the case").institution
    pubs = [word for n in ("ada", "ben") for word in ("--key", str(tmp_path / f"{n}.pub"))]
    root = str(tmp_path / "root.toml")
    assert main(["policy", "root", "new", "--institution", institution, *pubs, "--out", root]) == 0
    folder, pin = str(finished_case), ["--passphrase-file", str(secret)]
    asked = ["--name", "Ada", "--reason", "An appeal.", "--until", "2199-01-01", "--flag", ONE]
    erase = ["case", "erase", folder, "--flag", ONE, "--why", "Cleaning up."]
    assert main(["case", "hold", folder, *asked, "--key", str(tmp_path / "ada.pem"), *pin]) == 0
    assert "a second person" in capsys.readouterr().out
    second = ["case", "hold", folder, "--sign", "1", "--key", str(tmp_path / "ben.pem"), *pin]
    assert main(second) == 0
    assert main(erase) == 2, "without the root file nobody knows whether the hold counts"
    assert "--root" in capsys.readouterr().err
    assert main([*erase, "--root", root]) == 1
    assert "Ada holds it until 2199-01-01 (An appeal.)" in capsys.readouterr().err
    assert clip(finished_case).exists()
    assert codes(finished_case) == []
    (told,) = (
        c.detail for c in verify(finished_case, root=_read_root(Path(root))) if c.code == "holds"
    )
    assert told == "Signed by two keys of the root file or more: 1 of 1."
    capsys.readouterr()
    assert main(["case", "show", folder]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"001.dsse: Ada holds clips of {ONE} until 2199-01-01: An appeal." in shown
    assert "Ada: The hold 001.dsse was signed." in shown
    paper = finished_case / layout.hold_name(1)
    kept = paper.read_bytes()
    paper.unlink()
    assert codes(finished_case) == ["holds"], "a hold that was taken away is missed"
    assert main([*erase, "--root", root]) == 1
    assert "not known what is held: 001.dsse is on record" in capsys.readouterr().err
    paper.write_bytes(kept)
    free = [
        "case",
        "erase",
        folder,
        "--flag",
        "object.phone-002",
        "--why",
        "Asked.",
        "--root",
        root,
    ]
    assert main(free) == 0


def test_a_hold_with_one_signature_is_said_and_does_not_stop(
    finished_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from policies import root
    from policies.root import public_text

    one, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    view = Case.read(finished_case)
    institution = load.parse(view.policy, "of the case").institution
    made = root.make(institution, [public_text(k.public_key()) for k in (one, other)], 1)
    (tmp_path / "root.toml").write_text(made, "utf-8")
    (finished_case / layout.HOLDS).mkdir()
    held = Hold(view.attempt, frozenset(), "N", "R", datetime(2199, 1, 1, tzinfo=UTC))
    (finished_case / layout.hold_name(1)).write_bytes(signed(held, one))
    words = ["--flag", ONE, "--why", "Asked.", "--root", str(tmp_path / "root.toml")]
    assert main(["case", "erase", str(finished_case), *words]) == 0
    assert "Hold 001.dsse: The hold is not in force" in capsys.readouterr().out
    assert not clip(finished_case).exists()
