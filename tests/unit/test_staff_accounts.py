"""Accounts of staff: passwords, second factors, back-off, log-ins; and that no secret is kept as it is."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from argon2 import PasswordHasher

from proctor.errors import InputError
from proctor.hub import accounts, migrate, roles, tokens
from proctor.hub.accounts import Enrolled, LogInError, Person
from proctor.hub.secret import Box
from proctor.hub.settings import HubSettings
from proctor.hub.store import Store

NOW = datetime(2027, 1, 30, 9, 0, tzinfo=UTC)
PASSWORD = "a lantern by seven quiet rivers"
BOX = Box(bytes(32), "tests")


@pytest.fixture(autouse=True)
def quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id with little memory, but where the test is about its parameters."""
    if "as_it_is" not in request.node.name:
        monkeypatch.setattr(accounts, "_HASHER", PasswordHasher(1, 1024, 1))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    said = HubSettings(folder=tmp_path)
    migrate.prepare(said)
    made = Store(said.database, said.headers)
    yield made
    made.close()


def add(store: Store, name: str = "Ada Quill", *given: str) -> Enrolled:
    with store.transaction() as tx:
        return accounts.add(
            tx.connection, BOX, name, given or ("reviewer",), now=NOW, password=PASSWORD
        )


def code(made: Enrolled, now: datetime) -> str:
    secret = parse_qs(urlsplit(made.uri).query)["secret"][0]
    return pyotp.TOTP(secret).at(now)


def log_in(
    store: Store, said: str, now: datetime = NOW, password: str = PASSWORD, name: str = "Ada Quill"
) -> Person:
    return accounts.log_in(store.transaction, BOX, name, password, said, "192.0.2.7", now)


def test_a_password_and_a_fresh_code_log_in_and_no_code_counts_twice(store: Store) -> None:
    made = add(store)
    this = code(made, NOW)
    assert log_in(store, this).roles == {"reviewer"}
    with pytest.raises(LogInError, match="wrong"):
        log_in(store, this)
    with pytest.raises(LogInError, match="wrong"):  # one of a step that is over already
        log_in(store, code(made, NOW - timedelta(seconds=30)))
    later = NOW + timedelta(seconds=60)
    assert log_in(store, code(made, later - timedelta(seconds=30)), later)  # a slow clock
    with pytest.raises(LogInError):
        log_in(store, code(made, later + timedelta(seconds=90)), later)


def test_one_code_of_two_at_once_logs_in_once(store: Store) -> None:
    said = code(add(store), NOW)
    got: list[bool] = []

    def work() -> None:
        try:
            log_in(store, said)
            got.append(True)
        except LogInError:
            got.append(False)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False, False, False, True]


def test_a_recovery_code_is_good_once(store: Store) -> None:
    made = add(store)
    assert len(set(made.recovery)) == accounts.RECOVERY_CODES
    assert log_in(store, made.recovery[3].upper())
    with pytest.raises(LogInError):
        log_in(store, made.recovery[3])
    with store.reading() as connection:
        assert accounts.unused_recovery(connection, made.person.id) == 9


def test_guessing_has_to_wait_longer_and_longer_and_the_right_password_too(store: Store) -> None:
    made = add(store)
    for _ in range(accounts.FREE_ACCOUNT):
        with pytest.raises(LogInError, match="wrong"):
            log_in(store, "000000", password="not the right words here")
    with pytest.raises(LogInError, match="Wait 30 seconds") as no:
        log_in(store, code(made, NOW))
    assert no.value.wait == 30
    later = NOW + timedelta(seconds=31)
    with pytest.raises(LogInError, match="wrong"):
        log_in(store, "000000", later)
    with pytest.raises(LogInError, match="Wait 60 seconds"):
        log_in(store, code(made, later), later)
    later += timedelta(seconds=61)
    assert log_in(store, code(made, later), later)
    later += timedelta(seconds=60)
    assert log_in(store, code(made, later), later), "a log-in that went well starts anew"


def test_many_guesses_at_once_are_no_more_than_one_after_the_other(store: Store) -> None:
    add(store)
    said: list[str] = []

    def work(place: int) -> None:
        with pytest.raises(LogInError) as no:
            log_in(store, f"{place:06}", password=f"guess number {place} of many")
        said.append("wait" if no.value.wait else "wrong")

    threads = [threading.Thread(target=work, args=(place,)) for place in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said.count("wrong") == accounts.FREE_ACCOUNT


def test_unknown_names_and_wrong_passwords_and_codes_sound_the_same(store: Store) -> None:
    made = add(store)
    sentences = set()
    for name, password, said in (
        ("Nobody Here", PASSWORD, code(made, NOW)),
        ("Ada Quill", "these are other words", code(made, NOW)),
        ("Ada Quill", PASSWORD, "000000"),
        ("ada' OR 1=1 --", PASSWORD, "x" * 100),
        ("Ada Quill", "p" * 1000, "١٢٣٤٥٦"),
    ):
        with pytest.raises(LogInError) as no:
            log_in(store, said, password=password, name=name)
        sentences.add(str(no.value))
    assert sentences == {accounts.WRONG}


@pytest.mark.parametrize(
    "password", ["short words", "a" * 20, "abcabcabcabcabcabc", "Ada Quill likes rivers", "x" * 300]
)
def test_passwords_that_are_easy_to_guess_are_refused(store: Store, password: str) -> None:
    with store.transaction() as tx, pytest.raises(InputError):
        accounts.add(tx.connection, BOX, "Ada Quill", ["admin"], now=NOW, password=password)


def test_the_password_somebody_was_given_is_changed_first(store: Store) -> None:
    made = add(store)
    person = log_in(store, code(made, NOW))
    assert person.limited
    with store.transaction() as tx:
        token = tokens.issue(tx.connection, person, NOW).token
    with store.reading() as connection:
        found = tokens.whose(connection, token, NOW)
    assert found is not None
    assert found.person.limited
    later = NOW + timedelta(minutes=2)
    with pytest.raises(InputError, match="is the old one"):
        accounts.change_password(
            store.transaction, BOX, person, PASSWORD, PASSWORD, code(made, later), "", later
        )
    new = "nine slow boats upon a lake"
    accounts.change_password(
        store.transaction, BOX, person, PASSWORD, new, code(made, later), "", later
    )
    later += timedelta(minutes=1)
    assert not log_in(store, code(made, later), later, password=new).limited
    with store.reading() as connection:
        assert tokens.whose(connection, token, NOW) is None, "old log-ins end"


def test_log_ins_end_by_time_idleness_shutting_and_other_roles(store: Store) -> None:
    made = add(store, "Ada Quill", "admin")
    add(store, "Bo Rivers", "admin")
    person = Person(made.person.id, "Ada Quill", frozenset({"admin"}))

    def fresh(now: datetime) -> str:
        with store.transaction() as tx:
            return tokens.issue(tx.connection, person, now).token

    def holds(token: str, now: datetime) -> bool:
        with store.reading() as connection:
            return tokens.whose(connection, token, now) is not None

    token = fresh(NOW)
    assert holds(token, NOW + timedelta(minutes=59))
    assert not holds(token, NOW + timedelta(minutes=61)), "idle"
    with store.transaction() as tx:
        for minutes in range(50, 13 * 60, 50):
            tokens.touch(tx.connection, token, NOW + timedelta(minutes=minutes))
    assert holds(token, NOW + timedelta(hours=11, minutes=59))
    assert not holds(token, NOW + tokens.LASTS)
    assert not holds(token[:-1] + ("A" if token[-1] != "A" else "B"), NOW)
    assert not holds("' OR ''='", NOW)
    for change in (
        lambda c: accounts.disable(c, "Ada Quill"),
        lambda c: accounts.change_roles(c, "Ada Quill", ["auditor"]),
        lambda c: accounts.end_log_ins(c, made.person.id),
    ):
        token = fresh(NOW)
        with store.transaction() as tx:
            change(tx.connection)
        assert not holds(token, NOW)
        with store.transaction() as tx:
            accounts.disable(tx.connection, "Ada Quill", False)


def test_the_last_admin_stays(store: Store) -> None:
    add(store, "Ada Quill", "admin")
    with store.transaction() as tx:
        with pytest.raises(InputError, match="last admin"):
            accounts.disable(tx.connection, "Ada Quill")
        with pytest.raises(InputError, match="last admin"):
            accounts.change_roles(tx.connection, "Ada Quill", ["reviewer"])


def test_no_secret_lies_in_the_database_as_it_is(store: Store, tmp_path: Path) -> None:
    made = add(store)
    person = log_in(store, code(made, NOW))
    with store.transaction() as tx:
        token = tokens.issue(tx.connection, person, NOW).token
    store.close()
    raw = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    secret = parse_qs(urlsplit(made.uri).query)["secret"][0]
    assert b"$argon2id$v=19$m=65536,t=3,p=4$" in raw
    for kept in (PASSWORD, secret, token, *made.recovery):
        assert kept.encode() not in raw
    with pytest.raises(InputError, match="key file"):
        Box(b"1" * 32, "tests").open(BOX.seal(b"x", "ada"), "ada")
    with pytest.raises(InputError, match="key file"):
        BOX.open(BOX.seal(b"x", "ada"), "bo")


@pytest.mark.parametrize("action", sorted(roles.ACTIONS))
def test_every_no_says_why_and_nobody_gets_more_by_having_no_role(action: str) -> None:
    wanted = roles.ACTIONS[action]
    assert wanted.roles <= roles.ROLES.keys()
    assert wanted.roles, "something that nobody may do"
    for role in roles.ROLES:
        no = roles.refusal({role}, action)
        assert bool(no) == (role not in wanted.roles)
        assert not no or re.fullmatch(r"You may not .+: an? \w+ .+\. It takes the role .+\.", no)
    assert roles.refusal((), action)
    assert roles.refusal({"root"}, action)


def test_a_researcher_and_an_auditor_come_near_no_clip() -> None:
    for role in ("researcher", "auditor", "author"):
        for action in ("clip.payload", "clip.header", "clip.look", "case.read", "decision.first"):
            assert roles.refusal({role}, action)
    with pytest.raises(KeyError):
        roles.refusal({"admin"}, "clip.everything")


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword1", "Password2026!!!", "qwertyuiopasdfghjkl", "1qaz2wsx3edc4rfv", "123456789012345",
        "iloveyouforever1", "Tr0ub4dor&3Tr0ub4dor&3", "correct horse battery staple", "samanthasamantha",
        "Summer2026Winter2027", "letmeinletmeinplease", "P@ssw0rdP@ssw0rd!",
    ],
)  # fmt: skip
def test_a_password_that_everybody_thinks_of_is_refused_with_the_reason(password: str) -> None:
    with pytest.raises(InputError, match="too easy to guess"):
        accounts.check_password(password, "Ada Quill")


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD, "heron wicket plough ember", "the cat sat on my green mat", "kX9#mQ2vLp7!wZ4",
        "ab1c" * 4 + "heron wicket plough", "neun Kraniche über Brügge",
    ],
)  # fmt: skip
def test_a_password_that_had_to_be_thought_of_is_taken(password: str) -> None:
    accounts.check_password(password, "Ada Quill")


def test_a_person_sees_the_own_log_ins_and_ends_them_one_or_all(store: Store) -> None:
    ada, bo = add(store).person, add(store, "Bo Rivers").person
    later = NOW + timedelta(minutes=5)
    with store.transaction() as tx:
        first, second = (tokens.issue(tx.connection, ada, at) for at in (NOW, later))
        others = tokens.issue(tx.connection, bo, NOW)
        held = tokens.of_person(tx.connection, ada.id, later, second.token)
        assert [(one.created, one.this) for one in held] == [(later, True), (NOW, False)]
        assert not any(one.id in first.token + second.token for one in held)
        foreign = tokens.of_person(tx.connection, bo.id, later)[0].id
        assert tokens.end(tx.connection, ada.id, {foreign}) == 0, "somebody else's is not one's own"
        assert tokens.end(tx.connection, ada.id, {held[1].id}) == 1
        assert tokens.whose(tx.connection, first.token, later) is None
        assert tokens.whose(tx.connection, second.token, later) is not None
        assert tokens.whose(tx.connection, others.token, later) is not None
        # One that nobody used for an hour holds no more, and is not listed.
        assert tokens.of_person(tx.connection, ada.id, later + timedelta(hours=2)) == []
