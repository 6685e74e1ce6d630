"""The whole way of a policy through the window: new, edit, mend, preview, compare, sign, publish, followed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QMessageBox

from proctor.cli.main import main
from ui.institution.keys_page import NewKey, NewRoot
from ui.institution.window import CHANGES, FINDINGS, GENERAL, KEYS, PREVIEW, PUBLISH, Window

SECRET = "four unrelated words here"
Settle = Callable[[Window], None]


def type_into(window: Window, key: tuple[str, ...], text: str) -> None:
    """As a person: go to the field, take everything out, write."""
    window.show_field(key)
    page = window.pages[window.section]
    control = page.row_of(key).input.main
    QTest.keyClick(control, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClicks(control, text)


def notes_of(window: Window, key: tuple[str, ...]) -> list[str]:
    window.show_field(key)
    return window.pages[window.section].row_of(key).notes


def test_from_a_preset_to_a_policy_that_agents_follow(
    make_window: Callable[..., Window],
    settle: Settle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    window = make_window()
    desk, t = window.desk, window.desk.t

    # New, from a preset.
    start = window.go("start")
    names = [
        start.presets.item(row).data(Qt.ItemDataRole.UserRole)
        for row in range(start.presets.count())
    ]
    start.presets.setCurrentRow(names.index("gdpr-public-university"))
    start.begin.click()
    settle(window)
    assert window.section == GENERAL
    for key, words in (
        (("institution",), "Sample College"),
        (("exam",), "Algebra"),
        (("contact",), "exams@college.edu; data protection officer: dpo@college.edu"),
        (("dpia",), "DPIA 12 and FRIA 3"),
        (("id",), "algebra"),
    ):
        type_into(window, key, words)
    settle(window)

    # A finding of the linter, and a value that is not allowed, beside their fields.
    type_into(window, ("retention", "journal_days"), "90")
    settle(window)
    assert "L-EU-02" in " ".join(notes_of(window, ("retention", "journal_days")))
    type_into(window, ("clips", "max_s"), "99")
    settle(window)
    assert notes_of(window, ("clips", "max_s")) == ["This must be 60 or less."]
    assert desk.draft.checked.policy is None

    # Mended, by way of the list of findings.
    type_into(window, ("clips", "max_s"), "20")
    settle(window)
    findings = window.go(FINDINGS)
    assert findings.summary.text.startswith("1 error")
    card = findings.cards.itemAt(0).widget()
    assert card.accessibleName() == "Error: Retention, Journal"
    desk.wanted.emit(desk.draft.checked.problems[0].key)
    assert window.section == "retention"
    type_into(window, ("retention", "journal_days"), "365")
    settle(window)
    assert notes_of(window, ("retention", "journal_days")) == []
    assert desk.draft.checked.errors == 0

    # As a student sees it, in German.
    preview = window.go(PREVIEW)
    preview.lang.setCurrentIndex(preview.lang.findData("de"))
    settle(window)
    shown = preview.view.toPlainText()
    assert shown.startswith("Deine Prüfung")
    assert "Sample College" in shown

    # Saved, and what changes against the preset.
    target = tmp_path / "algebra.toml"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    window.save()
    settle(window)
    assert target.is_file()
    assert not desk.draft.unsaved
    changes = window.go(CHANGES)
    changes.compare_with("minimal")
    settle(window)
    assert {change.effect for change in changes.found} >= {"more", "less"}
    assert any("Microphone" in change.text for change in changes.found)

    # A key with a passphrase, and the root file that names it.
    keys = window.go(KEYS)
    keys.new_signing.click()
    (dialog,) = [one for one in window.findChildren(NewKey) if one.isVisible()]
    QTest.keyClicks(dialog.name, "rector")
    QTest.keyClicks(dialog.secret, SECRET)
    QTest.keyClicks(dialog.again, SECRET)
    dialog.go.click()
    settle(window)
    assert keys.signing.chosen.name == "rector"
    root = tmp_path / "root.toml"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(root), ""))
    keys.root.click()
    (made,) = [one for one in window.findChildren(NewRoot) if one.isVisible()]
    assert made.institution.text() == "Sample College"
    made.go.click()
    settle(window)
    assert root.is_file()

    # Signed and published.
    public = tmp_path / "public"
    public.mkdir()
    page = window.go(PUBLISH)
    settle(window)
    assert not page.sign.isEnabled()
    QTest.keyClicks(page.passphrase, SECRET)
    page.sign.click()
    settle(window)
    assert page.passphrase.text() == ""
    assert page.signed.text.startswith("It has 1 signature:")
    page.root.setText(str(root))
    page.folder.setText(str(public))
    page.publish.click()
    settle(window)
    assert (public / "algebra.dsse").is_file(), page.published.text

    # And the agent follows it.
    verify = ["policy", "verify", str(public / "algebra.dsse"), "--root", str(public / "root.toml")]
    assert main(verify) == 0
    assert "would follow it now: 'algebra' version 1" in capsys.readouterr().out
    assert t.lang == "en"


def test_a_second_person_adds_a_signature(window: Window, settle: Settle, tmp_path: Path) -> None:
    from proctor.evidence.signing import new_signing_key

    for name in ("dean", "rector"):
        new_signing_key(name, SECRET, tmp_path / "keys")
    window.desk.look_for_keys()
    page = window.go(PUBLISH)
    settle(window)
    for place in (0, 1):
        page.key.setCurrentIndex(place)
        page.passphrase.setText(SECRET)
        page.sign.click()
        settle(window)
    assert page.signed.text.startswith("It has 2 signatures:")
    # A key counts once.
    page.passphrase.setText(SECRET)
    page.sign.click()
    settle(window)
    assert "signed it already" in page.signed.text


def test_a_signed_version_is_not_signed_again_with_other_words(
    window: Window, settle: Settle, tmp_path: Path
) -> None:
    from proctor.evidence.signing import new_signing_key

    new_signing_key("rector", SECRET, tmp_path / "keys")
    window.desk.look_for_keys()
    page = window.go(PUBLISH)
    settle(window)
    page.passphrase.setText(SECRET)
    page.sign.click()
    settle(window)
    before = (tmp_path / "algebra.dsse").read_bytes()
    type_into(window, ("exam",), "Geometry")
    window.save()
    settle(window)
    window.go(PUBLISH)
    settle(window)
    page.passphrase.setText(SECRET)
    page.sign.click()
    settle(window)
    assert "raise the version to 2" in page.signed.text
    assert (tmp_path / "algebra.dsse").read_bytes() == before
    type_into(window, ("version",), "2")
    window.save()
    settle(window)
    window.go(PUBLISH)
    settle(window)
    page.passphrase.setText(SECRET)
    page.sign.click()
    settle(window)
    assert page.signed.text.startswith("It has 1 signature:")


def test_comments_stay_and_undo_goes_back_step_by_step(
    window: Window, settle: Settle, policy_file: Path
) -> None:
    before = policy_file.read_text(encoding="utf-8")
    type_into(window, ("clips", "max_s"), "30")
    settle(window)
    type_into(window, ("review", "window_days"), "21")
    settle(window)
    changed = window.desk.draft.text
    assert [a for a, b in zip(changed.split("\n"), before.split("\n"), strict=True) if a != b] == [
        "max_s = 30.0",
        "window_days = 21",
    ]
    assert "# Logs are kept for six months at least" in changed
    window.action["undo"].trigger()
    settle(window)
    assert window.section == "review"
    assert window.pages["review"].form.rows["window_days"].input.spin.value() == 14
    window.action["undo"].trigger()
    settle(window)
    assert window.desk.draft.text == before
    assert not window.desk.draft.unsaved
    window.action["redo"].trigger()
    window.action["redo"].trigger()
    settle(window)
    assert window.desk.draft.text == changed


def test_entries_come_and_go(window: Window, settle: Settle) -> None:
    page = window.go("purposes")
    page._add("identity")
    settle(window)
    assert page.names.currentItem().data(Qt.ItemDataRole.UserRole) == "identity"
    assert notes_of(window, ("purposes", "identity", "alternative")) == [
        "This needs at least 10 characters."
    ]
    page.remove.click()
    settle(window)
    assert "identity" not in window.desk.draft.checked.data["purposes"]
    rules = window.go("rules")
    rules.names.setCurrentRow(0)
    rules.remove.click()
    settle(window)
    assert "face.absent" not in window.desk.draft.checked.data["rules"]


def test_a_key_of_this_computer_becomes_a_recipient(
    window: Window, settle: Settle, tmp_path: Path
) -> None:
    from proctor.evidence.keys import new_identity

    made = new_identity("reviewer", tmp_path / "keys")
    window.desk.look_for_keys()
    keys = window.go(KEYS)
    settle(window)
    keys.use.click()
    settle(window)
    assert window.desk.draft.checked.policy.recipients == (made.recipient,)
    assert window.section == GENERAL


@pytest.mark.parametrize(
    ("answer", "saved"),
    [
        (QMessageBox.StandardButton.Save, True),
        (QMessageBox.StandardButton.Discard, False),
        (QMessageBox.StandardButton.Cancel, None),
    ],
)
def test_nothing_unsaved_is_lost_without_a_question(
    window: Window,
    settle: Settle,
    policy_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: QMessageBox.StandardButton,
    saved: bool | None,
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(Window, "ask_about_changes", lambda _: asked.append(1) or answer)
    before = policy_file.read_text(encoding="utf-8")
    type_into(window, ("exam",), "Geometry")
    window.close()
    settle(window)
    assert asked == [1]
    assert window.isVisible() == (saved is None)
    assert (policy_file.read_text(encoding="utf-8") != before) == bool(saved)


def test_another_language_keeps_the_work(window: Window, settle: Settle) -> None:
    from ui.institution.app import replace

    type_into(window, ("exam",), "Geometry")
    settle(window)
    new = replace(window, "en")
    settle(new)
    assert new.desk.draft.text.count('exam = "Geometry"') == 1
    assert new.desk.draft.can_undo
    new.desk.draft.close()
    new.close()
