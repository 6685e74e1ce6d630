"""What a window must survive: bad files, bad keys, a full disk. One sentence each, nothing half-written."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from policies import edit
from proctor.evidence import disk
from proctor.evidence.signing import new_signing_key
from ui.institution.window import FINDINGS, PUBLISH, START, Window

SECRET = "four unrelated words here"
Settle = Callable[[Window], None]

HOSTILE: dict[str, bytes] = {
    "broken": b"id = [",
    "binary": bytes(range(256)),
    "utf16": "id = 'x'".encode("utf-16"),
    "deep": b"a = " + b"[" * 300 + b"]" * 300,
    "dots": b"a" + b".b" * 5000 + b" = 1",
    "large": b"# " + b"x" * 3_000_000,
    "doubled": b"id = 'a'\nid = 'b'",
    "envelope": b'{"payload": 1}',
    "empty-envelope": b"{}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_not_opened(
    make_window: Callable[..., Window], settle: Settle, tmp_path: Path, name: str
) -> None:
    window = make_window()
    path = tmp_path / f"{name}.toml"
    path.write_bytes(HOSTILE[name])
    window.open_file(path)
    settle(window)
    assert not window.desk.draft.is_open
    assert window.section == START
    said = window.message.text()
    assert said.endswith(".")
    assert "\n" not in said
    assert len(said) < 600


def test_what_was_open_stays_when_another_file_is_bad(
    window: Window, settle: Settle, tmp_path: Path
) -> None:
    text = window.desk.draft.text
    window.open_file(tmp_path / "nowhere.toml")
    settle(window)
    assert "There is no policy" in window.message.text()
    assert window.desk.draft.text == text


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("", ("rules",), "This is needed."),
        ("id = 5", ("id",), "This must be a text."),
        ("clips = 5", ("clips",), "Something else is expected here"),
        ("rules = 5", ("rules",), "Something else is expected here"),
        ("clips.max_s = 'x'", ("clips", "max_s"), "This must be a number."),
        ("wonder = true", ("wonder",), "A policy has no such field"),
        ("recipients = ['me']", ("recipients",), "This is no public key"),
        ("languages = ['xx']", ("languages",), "Choose one of"),
        ("expires = 2027-01-01T00:00:00", None, None),
        ('id = "a\\u202eb"', None, None),
    ],
)
def test_a_policy_with_mistakes_opens_to_be_mended(
    make_window: Callable[..., Window],
    settle: Settle,
    tmp_path: Path,
    text: str,
    key: tuple[str, ...] | None,
    said: str | None,
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    window = make_window(path)
    checked = window.desk.draft.checked
    assert checked.policy is None
    assert all(problem.severity == "error" for problem in checked.problems)
    if key is not None:
        found = [problem.text for problem in checked.problems if problem.key[: len(key)] == key]
        assert any(sentence.startswith(said) for sentence in found), found
    for page in (
        "general",
        "rules",
        "clips",
        "purposes",
        FINDINGS,
        "preview",
        "changes",
        "keeping",
        PUBLISH,
    ):
        window.go(page)
        settle(window)
    for problem in checked.problems:
        window.show_field(problem.key)
    assert not window.pages[PUBLISH].sign.isEnabled()


def test_a_full_disk_leaves_the_file_as_it_was(
    window: Window, settle: Settle, policy_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = policy_file.read_bytes()
    window.desk.draft.change(("exam",), "Geometry")
    settle(window)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk, "sync_file", full)
    window.save()
    settle(window)
    assert "the disk is full" in window.message.text()
    assert policy_file.read_bytes() == before
    assert sorted(path.name for path in policy_file.parent.glob("*.toml*")) == ["algebra.toml"]
    assert window.desk.draft.unsaved
    monkeypatch.undo()
    window.save()
    settle(window)
    assert not window.desk.draft.unsaved


def test_saving_onto_a_folder_or_into_nothing(
    window: Window, settle: Settle, tmp_path: Path
) -> None:
    (tmp_path / "folder.toml").mkdir()
    for path, said in (
        (tmp_path / "folder.toml", "is a folder"),
        (tmp_path / "no" / "such" / "place.toml", "Cannot write"),
    ):
        window._write(path, lambda: None)
        settle(window)
        assert said in window.message.text()
    assert list((tmp_path / "folder.toml").iterdir()) == []


def sign(window: Window, settle: Settle, secret: str) -> str:
    window.desk.look_for_keys()
    page = window.go(PUBLISH)
    settle(window)
    page.passphrase.setText(secret)
    page.sign.click()
    settle(window)
    said: str = page.signed.text
    return said


def test_a_wrong_passphrase_signs_nothing(window: Window, settle: Settle, tmp_path: Path) -> None:
    new_signing_key("rector", SECRET, tmp_path / "keys")
    assert "the passphrase is wrong" in sign(window, settle, "not this one at all")
    assert not (tmp_path / "algebra.dsse").exists()
    assert sign(window, settle, SECRET).startswith("It has 1 signature:")


@pytest.mark.skipif(os.name != "posix", reason="permissions of files are those of POSIX")
def test_a_key_that_others_can_read_is_listed_with_the_reason(
    window: Window, settle: Settle, tmp_path: Path
) -> None:
    made = new_signing_key("rector", SECRET, tmp_path / "keys")
    made.path.chmod(0o644)
    assert "chmod 600" in sign(window, settle, SECRET)
    keys = window.go("keys")
    assert "chmod 600" in keys.signing.list.item(0).text()
    assert keys.signing.chosen is None
    assert not (tmp_path / "algebra.dsse").exists()


def test_a_damaged_key_is_listed_with_the_reason(
    window: Window, settle: Settle, tmp_path: Path
) -> None:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    for name in ("broken.key", "broken.pem"):
        (folder / name).write_text("no key", encoding="utf-8")
        (folder / name).chmod(0o600)
    window.desk.look_for_keys()
    settle(window)
    keys = window.go("keys")
    assert "no age X25519 secret key" in keys.opening.list.item(0).text()
    assert "cannot be read" in keys.signing.list.item(0).text()


def test_errors_of_the_linter_stop_signing_unless_counsel_answers(
    window: Window, settle: Settle, tmp_path: Path
) -> None:
    new_signing_key("rector", SECRET, tmp_path / "keys")
    window.desk.look_for_keys()
    window.desk.draft.change(("retention", "journal_days"), 90)
    window.save()
    settle(window)
    page = window.go(PUBLISH)
    settle(window)
    page.passphrase.setText(SECRET)
    assert not page.sign.isEnabled()
    page.despite.click()
    assert page.sign.isEnabled()
    page.sign.click()
    settle(window)
    assert page.signed.text.startswith("It has 1 signature:")


def test_a_text_that_cannot_be_edited_without_loss_is_left_alone(
    make_window: Callable[..., Window],
    settle: Settle,
    policy_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window = make_window(policy_file)
    before = window.desk.draft.text

    def refuse(*_: object) -> str:
        raise edit.PolicyError("The policy algebra.toml is written in a way that cannot be edited.")

    monkeypatch.setattr(edit, "put_values", refuse)
    window.desk.draft.change(("exam",), "Geometry")
    settle(window)
    assert "cannot be edited" in window.message.text()
    assert window.desk.draft.text == before
    window.show_field(("exam",))
    assert window.pages["general"].row_of(("exam",)).input.line.text() == "Algebra"
