"""The console over a real hub: the queue, cases looked at one after the other, the log, copies, numbers."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyotp
import pytest
import urllib3
from PySide6.QtCore import QEvent, QObject, QSettings, Qt, QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from proctor.cli.main import main
from proctor.evidence import deciding
from proctor.evidence.verify import verify
from proctor.hub import accounts
from proctor.hub.staff_login import box_of
from ui.console.hub_app import HubDesk
from ui.console.hub_numbers import table_of

_SPEC = importlib.util.spec_from_file_location(
    "hub_console_kit", Path(__file__).with_name("hub_console_kit.py")
)
assert _SPEC is not None
assert _SPEC.loader is not None
kit = importlib.util.module_from_spec(_SPEC)
sys.modules.setdefault("hub_console_kit", kit)
_SPEC.loader.exec_module(kit)
world, desk, one_clip = kit.world, kit.desk, kit.kit.one_clip
wait, pump = kit.kit.wait, kit.kit.pump
Make = Callable[..., HubDesk]


def test_a_first_log_in_chooses_a_password_and_registers_this_computers_key(
    world: Any, desk: Make
) -> None:
    hub = world.running.hub
    with hub.store.transaction() as tx:
        made = accounts.add(
            tx.connection, box_of(hub), "Ada Quill", ["reviewer"], now=hub.now(),
            password=kit.PASSWORD,
        )  # fmt: skip
    one = desk()
    login = one.window.login
    assert login.address.text() == world.running.url
    login.name.setText("Ada Quill")
    login.password.setText("quite another lantern")
    login.code.setText("000000")
    QTest.keyClick(login.code, Qt.Key.Key_Return)
    wait(lambda: login.note.text != "", "the no")
    assert "wrong" in login.note.text
    login.password.setText(kit.PASSWORD)
    login.code.setText(made.recovery[0])
    login.enter.click()
    wait(lambda: login.first.isVisible(), "the question for a password")
    assert login.password.text() == ""
    login.new.setText("nine grey herons above the weir")
    login.again.setText("nine grey herons above the weir")
    login.next_code.setText(made.recovery[1])
    login.choose.click()
    wait(lambda: login.who.isVisible(), "the log-in with it")
    login.password.setText("nine grey herons above the weir")
    secret = pyotp.parse_uri(made.uri)
    login.code.setText(secret.now())
    login.enter.click()
    wait(lambda: one.window.office is not None, "the log-in")
    kit.settle(one)
    assert "its key is registered" in one.window.message.text()
    assert one.window.office.client.me()["keys"]
    assert [one.window.tabs.tabText(n) for n in range(one.window.tabs.count())] == [
        "Queue", "Who did what", "Numbers",
    ]  # fmt: skip
    # The address is remembered; nothing else of the log-in is.
    kept = {name: str(QSettings().value(name)) for name in QSettings().allKeys()}
    token = one.window.office.client.token
    assert kept["console/hub"] == world.running.url
    assert not any(token in said or "herons" in said for said in kept.values())
    one.window.log_out()
    wait(lambda: one.window.stack.currentWidget() is login, "the log-out")
    assert one.window.tabs.count() == 0


def say_nothing_to_see(window: Any) -> None:
    """One key, in the window that is in front."""
    window.activateWindow()
    assert QTest.qWaitForWindowActive(window)
    QTest.keyClick(window.moments, Qt.Key.Key_1)
    kit.pump_until_signed(window)


def test_flags_are_taken_looked_at_one_after_the_other_and_signed(
    world: Any, desk: Make, one_clip: Any
) -> None:
    first, second = world.deliver(2, one_clip), world.deliver(1, one_clip)
    one = desk("Ada Quill", "reviewer")
    queue = one.window.queue
    assert queue is not None
    assert "0 of 3 flags decided" in one.window.coverage.text()
    assert "expire" in one.window.coverage.text()
    assert queue.table.rows.rowCount() == 3
    queue.take.click()
    wait(lambda: one.case is not None and one.case.page is not None, "the case")
    kit.settle(one)
    window = one.case
    assert window is not None
    looked = []
    for _ in range(3):
        assert window.case is not None
        looked.append((window.case.story.attempt, window.current))
        # Nothing that the machine measured is there before the look.
        assert window.page.flag.peak is None
        here = (window.case.story.attempt, window.current)
        say_nothing_to_see(window)
        wait(
            lambda here=here: (
                (window.case.story.attempt, window.current) != here
                or (not one._next and not window._waiting())
            ),
            "the next moment",
        )
        kit.settle(one)
    assert {attempt for attempt, _ in looked} == {first, second}
    assert len(set(looked)) == 3
    wait(lambda: "3 of 3 flags decided" in one.window.coverage.text(), "the coverage")
    office = one.window.office
    for attempt in (first, second):
        for row in office.client.decisions(attempt):
            assert row["state"] == "done"
    # Who has looked reads what was measured; the last look can be taken back.
    wait(lambda: window.case.story.flags[0].peak is not None, "the scores")
    assert window.page.why.text() == kit.WHY
    window.undo()
    kit.settle(one)
    assert "Taken back" in window.message.text()
    queue.refresh()
    wait(lambda: "2 of 3 flags decided" in one.window.coverage.text(), "the coverage")


def test_a_flag_that_somebody_has_is_given_back_and_shown_so(
    world: Any, desk: Make, one_clip: Any
) -> None:
    world.deliver(2, one_clip)
    other, _ = world.staff("Bo Rivers", "reviewer")
    other.take(1)
    one = desk("Ada Quill", "reviewer")
    queue = one.window.queue
    shown = [queue.model.data(queue.model.index(n, 6)) for n in range(2)]
    assert sorted(shown) == ["", "somebody's"]
    queue.count.setValue(5)
    queue.office.client.take(5)
    queue.refresh()
    kit.settle(one)
    mine = next(n for n in range(2) if queue.model.rows[n]["assigned"] == "mine")
    queue.table.selectRow(mine)
    queue.give_back.click()
    kit.settle(one)
    assert queue.model.rows[mine]["assigned"] is None
    other.close()


def test_the_log_says_who_looked_and_a_copy_takes_two_persons(
    world: Any, desk: Make, one_clip: Any, tmp_path: Path
) -> None:
    attempt = world.deliver(1, one_clip)
    flag = "camera.frozen-001"
    one = desk("Ada Quill", "reviewer")
    one.window.queue.take.click()
    wait(lambda: one.case is not None and one.case.page is not None, "the case")
    kit.settle(one)
    say_nothing_to_see(one.case)
    wait(lambda: "1 of 1 flags decided" in one.window.coverage.text(), "the look")
    papers = one.window.papers
    papers.offer(one.window.office.client.attempts())
    papers.attempt.setCurrentIndex(0)
    papers.reason.setText("The student asked for another look")
    papers.ask.click()
    kit.settle(one)
    papers.papers.selectRow(0)
    assert not papers.agree.isEnabled()
    assert not papers.save.isEnabled()

    auditor = desk("Di Warden", "admin", "auditor")
    log = auditor.window.papers
    log.attempt.setEditText(attempt)
    log.refresh()
    kit.settle(auditor)
    assert "signed log" in log.proven.text
    rows = [
        [log.log.data(log.log.index(n, c)) for c in range(1, 5)] for n in range(log.log.rowCount())
    ]
    assert ["Ada Quill", "Opened a clip", flag, "a look in the console"] in rows
    assert ["Ada Quill", "Signed a look", flag, ""] in rows
    log.papers.selectRow(0)
    assert log.agree.isEnabled()
    log.agree.click()
    kit.settle(auditor)
    papers.refresh()
    kit.settle(one)
    papers.papers.selectRow(0)
    if not papers.save.isEnabled():
        pytest.fail(f"{log.note.text} {papers.note.text}")
    copy = tmp_path / "copy"
    papers.write(papers.papers.row(), copy)
    kit.settle(one)
    assert "1 clips, sealed" in papers.note.text
    assert len(deciding.read(copy, attempt)) == 1
    checks = verify(copy)
    assert [check.detail for check in checks if not check.ok] == []
    # What the hub countersigned is in the copy, and holds.
    (told,) = (check.detail for check in checks if check.code == "hub")
    assert f"receipts of {world.running.hub.name}, the last over" in told


def test_numbers_without_persons_are_a_table(world: Any, desk: Make, one_clip: Any) -> None:
    for _ in range(5):
        world.deliver(1, one_clip)
    one = desk("Ed Scholar", "researcher")
    numbers = one.window.numbers
    assert one.window.tabs.count() == 1
    assert one.window.queue is None
    numbers.refresh()
    kit.settle(one)
    assert numbers.model.rowCount() == 1
    csv = table_of(numbers.model.rows).decode("utf-8").splitlines()
    assert csv[0].startswith("kind,persons,flags,nothing_to_see")
    assert csv[1].startswith("camera.frozen,5,5,")
    assert not [name for name in ("Seat", "attempt") if name in "".join(csv)]


def test_a_hub_that_is_not_there_is_said_in_one_sentence(dressed: QApplication, desk: Make) -> None:
    one = desk()
    login = one.window.login
    login.address.setText("http://127.0.0.1:9")
    login.name.setText("Ada")
    login.password.setText("x")
    login.enter.click()
    wait(lambda: "cannot be reached" in login.note.text, "the sentence")
    login.address.setText("ftp://nowhere")
    login.enter.click()
    wait(lambda: "cannot be reached" not in login.note.text, "another sentence")
    assert login.note.text
    assert login.enter.isEnabled()


class Browser(QObject):
    """Goes where the console sends it, as a browser would: follows redirects and brings cookies back."""

    def __init__(self, outside: str, hub: str) -> None:
        super().__init__()
        self._outside, self._hub = outside, hub
        self.threads: list[threading.Thread] = []

    @Slot(QUrl)
    def open(self, url: QUrl) -> None:
        self.threads.append(threading.Thread(target=self._go, args=(url.toString(),)))
        self.threads[-1].start()

    def _go(self, address: str) -> None:
        cookie = ""
        for _ in range(5):
            address = address.replace(self._outside + "/", self._hub + "/", 1)
            own = {"Cookie": cookie} if cookie and address.startswith(self._hub) else {}
            answer = urllib3.request("GET", address, headers=own, redirect=False, retries=False)
            cookie = answer.headers.get("Set-Cookie", cookie).partition(";")[0]
            if answer.status != 302:
                return
            address = answer.headers["Location"]


def test_the_institutions_own_log_in_is_used_through_the_browser(
    dressed: QApplication, tmp_path: Path
) -> None:
    provider = kit.load("unit/test_staff_oidc.py")
    outside = "http://127.0.0.1:1"
    with provider.SmallProvider() as small:
        said = {
            "oidc_issuer": small.url, "oidc_client": provider.CLIENT,
            "oidc_secret": provider.SECRET, "address": outside,
        }  # fmt: skip
        with kit.hub_world.running("sqlite", tmp_path, **said) as running:
            hub = running.hub
            with hub.store.transaction() as tx:
                accounts.add(
                    tx.connection, box_of(hub), "Ada Quill", ["reviewer"], now=hub.now(),
                    subject=small.subject,
                )  # fmt: skip
            browser = Browser(outside, running.url)
            QDesktopServices.setUrlHandler("http", browser, "open")
            one = HubDesk("en", running.url)
            try:
                one.show()
                one.window.login.provider.click()
                assert "Go on in your browser" in one.window.login.note.text
                wait(lambda: one.window.office is not None, "the log-in")
                kit.settle(one)
                assert "Ada Quill" in one.window.who.text()
                assert "its key is registered" in one.window.message.text()
            finally:
                QDesktopServices.unsetUrlHandler("http")
                for thread in browser.threads:
                    thread.join()
                one.close()
                QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def test_another_language_keeps_the_log_in(world: Any, desk: Make, one_clip: Any) -> None:
    world.deliver(1, one_clip)
    one = desk("Ada Quill", "reviewer")
    new = one.in_language("de")
    try:
        kit.settle(new)
        wait(lambda: "0 von 1 Hinweisen entschieden" in new.window.coverage.text(), "the counts")
        assert not one.window.isVisible()
    finally:
        new.close()


def test_a_hub_gives_the_cases_and_the_name(capsys: pytest.CaptureFixture[str]) -> None:
    for more in (["--name", "Ada"], ["a-folder"]):
        assert main(["review", *more, "--hub", "http://127.0.0.1:9"]) == 2
        assert "cases come from its queue" in capsys.readouterr().err
