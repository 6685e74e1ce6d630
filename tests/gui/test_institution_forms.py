"""The forms are the schema's: every field has a control, every sentence of a check has a place."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from policies.load import preset_names
from policies.reference import PLACEHOLDERS, entries
from ui.institution import fields, problems
from ui.institution.window import GENERAL, Window, tables_in_order

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("texts_tool", ROOT / "packaging" / "texts.py")
assert spec
assert spec.loader
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)
Settle = Callable[[Window], None]


def test_every_field_of_the_schema_has_a_control(window: Window) -> None:
    missing = []
    for entry in entries():
        if entry.is_table or entry.name == "settings":
            continue
        key = entry.key.replace('"KIND"', "face.absent").split(".", 1)
        if entry.table.startswith(tuple(PLACEHOLDERS)):
            table = entry.table.partition(".")[0]
            name = {"purposes": "camera", "detectors": "wake", "rules": "face.absent"}[table]
            path = (table, name, entry.name)
        else:
            path = (entry.key,) if not entry.table else (entry.table, entry.name)
        window.show_field(path)
        page = window.pages[window.section]
        if page.row_of(path) is None:
            missing.append((entry.key, key))
    assert missing == []


def test_every_section_is_listed_once() -> None:
    assert sorted(tables_in_order()) == sorted(fields.tables())


def test_a_detectors_own_settings_are_there(window: Window, settle: Settle) -> None:
    path = ("detectors", "gaze", "settings", "away_degrees")
    window.show_field(path)
    page = window.pages["detectors"]
    row = page.row_of(path[:3]) or page.forms["gaze"][1].row_of(path)
    assert row.input.spin.value() == 20.0
    row.input.spin.setValue(25.0)
    settle(window)
    assert window.desk.draft.checked.policy.detectors["gaze"].settings == {"away_degrees": 25.0}
    assert window.desk.draft.checked.errors == 0


def test_a_setting_that_the_plug_in_refuses_is_said_beside_it(
    window: Window, settle: Settle
) -> None:
    path = ("detectors", "gaze", "settings", "away_degrees")
    window.desk.draft.change(path, 4000.0)
    settle(window)
    window.show_field(path)
    row = window.pages["detectors"].row_of(path)
    assert len(row.notes) == 1
    assert row.notes[0].startswith("This must be")


def test_every_check_of_the_model_has_a_sentence_and_a_field() -> None:
    """The schema's own sentences are matched one by one, so that a new one cannot be forgotten."""
    tree = ast.parse((ROOT / "policies" / "schema.py").read_text(encoding="utf-8"))
    said = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            (first,) = node.exc.args
            parts = first.values if isinstance(first, ast.JoinedStr) else [first]
            said.append(
                "".join(
                    str(getattr(part, "value", "")) if isinstance(part, ast.Constant) else "X"
                    for part in parts
                )
            )
    assert len(said) >= 15
    patterns = [pattern for pattern, _, _ in problems.TOGETHER]

    def known(sentence: str) -> bool:
        # X stands for what is filled in: a number, or the name of a field.
        spellings = [
            sentence.replace("X", word) for word in ("1", "reason", "alternative", "expires")
        ]
        return any(re.search(pattern, one) for pattern in patterns for one in spellings)

    assert [sentence for sentence in said if not known(sentence)] == []


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_becomes_a_policy(
    make_window: Callable[..., Window], settle: Settle, name: str
) -> None:
    window = make_window()
    window.new_policy(name)
    settle(window)
    checked = window.desk.draft.checked
    assert checked.policy is not None, checked.problems
    assert checked.errors == 0
    assert checked.policy.version == 1


def test_kinds_of_values(window: Window, settle: Settle) -> None:
    """One of each kind of control, as a person uses it."""
    page = window.go(GENERAL)

    def control(name: str):
        return page.row_of((name,)).input

    places = control("jurisdictions")
    places.ticks["GB"].click()
    languages = control("languages")
    languages.ticks["nl"].click()
    stakes = control("stakes").combo
    stakes.setCurrentIndex(stakes.findData("low"))
    stakes.activated.emit(stakes.currentIndex())
    expires = control("expires")
    expires.tick.click()
    recipients = control("recipients")
    recipients.line.setText("age1" + "q" * 58)
    recipients.add.click()
    settle(window)
    policy = window.desk.draft.checked.policy
    assert policy is not None, window.desk.draft.checked.problems
    assert policy.jurisdictions == ("EU", "GB")
    assert policy.languages == ("en", "de", "fr", "es")
    assert policy.stakes == "low"
    assert policy.expires > datetime.now(UTC)
    assert policy.recipients == ("age1" + "q" * 58,)
    recipients.list.setCurrentRow(0)
    recipients.remove.click()
    expires.tick.click()
    settle(window)
    policy = window.desk.draft.checked.policy
    assert policy.recipients == ()
    assert policy.expires is None
    breaks = window.go("breaks")
    planned = breaks.row_of(("breaks", "planned_at_minutes")).input
    planned.line.setText("forty")
    planned.add.click()
    planned.line.setText("45")
    planned.add.click()
    settle(window)
    assert window.desk.draft.checked.policy.breaks.planned_at_minutes == (45.0,)


def test_return_in_a_long_text_makes_no_line(window: Window, settle: Settle) -> None:
    key = ("purposes", "camera", "alternative")
    window.show_field(key)
    area = window.pages["purposes"].row_of(key).input.area
    area.setPlainText("")
    QTest.keyClicks(area, "You sit the exam in a room.")
    QTest.keyClick(area, Qt.Key.Key_Return)
    QTest.keyClicks(area, " With a person.")
    settle(window)
    said = window.desk.draft.checked.policy.purposes["camera"].alternative
    assert said == "You sit the exam in a room. With a person."


def test_findings_are_titled_in_the_windows_language(
    make_window: Callable[..., Window], settle: Settle, policy_file: Path
) -> None:
    window = make_window(policy_file, "de")
    window.desk.draft.change(("retention", "journal_days"), 90)
    settle(window)
    window.show_field(("retention", "journal_days"))
    notes = window.pages["retention"].row_of(("retention", "journal_days")).notes
    assert "Protokolle weniger als sechs Monate behalten (L-EU-02)" in notes


def test_every_rule_has_a_title_in_german() -> None:
    from policies.lint_rules import RULES
    from ui.texts import texts

    t = texts("de")
    assert [rule.id for rule in RULES if t.say(rule.title) == rule.title] == []


PLACE = re.compile(r"{(\w*)}")


@pytest.mark.parametrize("lang", tool.LANGUAGES)
def test_every_sentence_of_the_apps_is_translated_with_the_same_places(lang: str) -> None:
    entries_of = tool.read_po(tool.po_path(lang, "ui"))
    header = entries_of.pop(("",))
    assert f"Language: {lang}\n" in header[0]
    assert entries_of.keys() == tool.spoken("ui").keys(), "run `python packaging/texts.py update`"
    for key, said in entries_of.items():
        assert len(said) == len(key)
        for text in said:
            assert text.strip(), key
            assert sorted(set(PLACE.findall(text))) == sorted(set(PLACE.findall(key[-1]))), key
    path = tool.po_path(lang, "ui")
    fresh = tool.to_mo(tool.read_po(path))
    assert path.with_suffix(".mo").read_bytes() == fresh, "run `python packaging/texts.py compile`"


@pytest.mark.parametrize("lang", tool.LANGUAGES)
def test_menus_have_a_letter_of_their_own(lang: str) -> None:
    """In each menu no two entries share the letter that is pressed with Alt."""
    from ui.texts import texts

    t = texts(lang)
    for menu in (
        ("&File", "&Edit", "&View"),
        ("&New policy …", "&Open …", "&Save", "Save &as …", "&Quit"),
        ("&Undo", "&Redo", "&Next to mend"),
        ("&Sections", "Ne&xt section", "&Previous section", "&Language"),
    ):
        letters = [re.search("&(.)", t.say(text)).group(1).lower() for text in menu]
        assert len(set(letters)) == len(letters), (lang, letters)
