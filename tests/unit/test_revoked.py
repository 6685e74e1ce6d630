"""Revoked keys are sealed for no more, and root files follow one another: each step signed by the last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pyrage import x25519

from policies import edit, load, revoked, root, sign
from policies.errors import PolicyError, Refused
from policies.root import Root, public_text
from policies.schema import Policy
from proctor.cli.main import main
from proctor.errors import CheckFailed, InputError
from proctor.evidence import hold, keys, layout, view
from proctor.session.plan import Plan, make_plan
from proctor.session.recipients import choose_recipients, install, installed, scan_recipients
from proctor.session.trust import install_root, installed_roots

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)
US = load.read("standard")[0].institution
SIGNERS = [Ed25519PrivateKey.generate() for _ in range(3)]
ANNA, BEN, CLEO, SPARE = (str(x25519.Identity.generate().to_public()) for _ in range(4))


def root_of(
    signers: Sequence[Ed25519PrivateKey], threshold: int = 1, version: int = 1, who: str = US
) -> str:
    return root.make(who, [public_text(key.public_key()) for key in signers], threshold, version)


def known(text: str) -> Root:
    return root.parse(text.encode(), "test")


def put(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def listed(
    *names: str, number: int = 1, who: str = US, since: datetime = NOW
) -> revoked.RevokedKeys:
    entries = tuple({"recipient": n, "since": since, "reason": "It was stolen."} for n in names)
    return revoked.RevokedKeys.model_validate(
        {"institution": who, "number": number, "keys": entries}
    )


def signed(made: revoked.RevokedKeys, *signers: Ed25519PrivateKey) -> bytes:
    return sign.envelope(made.text().encode(), revoked.PAYLOAD_TYPE, signers or SIGNERS[:1])


@pytest.fixture
def plan(proctor_home: Path, tmp_path: Path) -> Plan:
    """A plan with three recipients, and the institution's root (any one of two keys) installed."""
    install_root(put(tmp_path / "root.toml", root_of(SIGNERS[:2])))
    plan = make_plan("standard", require_all=False)
    policy = plan.policy.model_copy(update={"recipients": (ANNA, BEN, CLEO)})
    return replace(plan, policy=policy)


# Revoked keys.


def test_nothing_is_sealed_for_a_revoked_key_and_it_is_said(plan: Plan, tmp_path: Path) -> None:
    told: list[str] = []
    assert choose_recipients(plan, [], told.append, now=NOW) == (ANNA, BEN, CLEO)
    install(put(tmp_path / "list", signed(listed(BEN))))
    assert choose_recipients(plan, [], told.append, now=NOW - DAY) == (ANNA, BEN, CLEO)
    assert told == []
    assert choose_recipients(plan, [], told.append, now=NOW) == (ANNA, CLEO)
    (sentence,) = told
    assert BEN in sentence
    assert "2026-05-04 12:00 UTC (It was stolen)" in sentence


def test_a_key_given_at_the_start_is_looked_up_as_well(plan: Plan, tmp_path: Path) -> None:
    dora = str(x25519.Identity.generate().to_public())
    install(put(tmp_path / "list", signed(listed(dora))))
    assert dora not in choose_recipients(plan, [dora], now=NOW)


def test_no_exam_begins_when_nobody_could_open_its_clips(plan: Plan, tmp_path: Path) -> None:
    install(put(tmp_path / "list", signed(listed(ANNA, BEN, CLEO))))
    with pytest.raises(CheckFailed, match=f"{ANNA}.*Nobody is left who could open clips"):
        choose_recipients(plan, [], now=NOW)
    table = {"recipient": SPARE, "threshold": 2, "holders": (ANNA, BEN)}
    policy = Policy.model_validate({**plan.policy.model_dump(), "escrow": table})
    with pytest.raises(CheckFailed, match="Nobody is left"):
        choose_recipients(replace(plan, policy=policy), [], now=NOW)


def test_a_revoked_escrow_is_left_out(plan: Plan, tmp_path: Path) -> None:
    table = {"recipient": SPARE, "threshold": 2, "holders": (ANNA, BEN)}
    policy = Policy.model_validate({**plan.policy.model_dump(), "escrow": table})
    plan = replace(plan, policy=policy)
    assert choose_recipients(plan, [], now=NOW)[-1] == SPARE
    install(put(tmp_path / "list", signed(listed(SPARE))))
    assert choose_recipients(plan, [], now=NOW) == (ANNA, BEN, CLEO)


def test_room_scans_have_recipients_of_their_own_and_no_escrow(plan: Plan, tmp_path: Path) -> None:
    scan = plan.policy.room_scan.model_copy(update={"recipients": (BEN, CLEO)})
    policy = plan.policy.model_copy(update={"room_scan": scan})
    install(put(tmp_path / "list", signed(listed(BEN))))
    assert scan_recipients(policy, now=NOW) == (CLEO,)
    install(put(tmp_path / "list", signed(listed(BEN, CLEO, number=2))))
    with pytest.raises(CheckFailed, match="Nobody is left who could open room scans"):
        scan_recipients(policy, now=NOW)


def test_another_institutions_list_says_nothing_here(plan: Plan, tmp_path: Path) -> None:
    install_root(put(tmp_path / "other.toml", root_of(SIGNERS[:1], who="Hill College")))
    install(put(tmp_path / "list", signed(listed(BEN, who="Hill College"))))
    assert choose_recipients(plan, [], now=NOW) == (ANNA, BEN, CLEO)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (signed(listed(BEN), Ed25519PrivateKey.generate()), "is not signed as the root file"),
        (signed(listed(BEN, number=1)), "number 1, but number 2 is known"),
        (signed(listed(CLEO, number=2)), "says something else"),
    ],
)
def test_a_list_that_must_not_be_followed_changes_nothing(
    plan: Plan, tmp_path: Path, raw: bytes, words: str
) -> None:
    install(put(tmp_path / "list", signed(listed(BEN, number=2))))
    with pytest.raises(CheckFailed, match=words):
        install(put(tmp_path / "other", raw))
    assert installed(US) == listed(BEN, number=2)


def test_a_list_signed_by_one_institution_for_another_is_refused(
    plan: Plan, tmp_path: Path
) -> None:
    hill = [Ed25519PrivateKey.generate()]
    install_root(put(tmp_path / "hill.toml", root_of(hill, who="Hill College")))
    with pytest.raises(CheckFailed, match="is not signed as the root file"):
        install(put(tmp_path / "list", signed(listed(BEN), *hill)))
    with pytest.raises(Refused, match="may sign only for itself"):
        revoked.accept(signed(listed(BEN), *hill), "x", known(root_of(hill, who="Hill College")))


def test_two_people_sign_where_the_root_says_so(proctor_home: Path, tmp_path: Path) -> None:
    install_root(put(tmp_path / "root.toml", root_of(SIGNERS, 2)))
    raw = signed(listed(BEN), SIGNERS[0])
    with pytest.raises(CheckFailed, match="needs 2 of the 3"):
        install(put(tmp_path / "list", raw))
    install(put(tmp_path / "list", sign.add_signatures(raw, SIGNERS[2:])))
    assert installed(US) == listed(BEN)


def test_a_damaged_list_stops_and_is_not_forgotten(plan: Plan, tmp_path: Path) -> None:
    install(put(tmp_path / "list", signed(listed(BEN))))
    (path,) = (keys.data_dir() / "revoked").iterdir()
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="keys revoked install"):
        choose_recipients(plan, [], now=NOW)
    install(put(tmp_path / "new", signed(listed(BEN, number=2))))
    assert choose_recipients(plan, [], now=NOW) == (ANNA, CLEO)


def test_a_list_beside_a_signed_policy_is_followed(plan: Plan, tmp_path: Path) -> None:
    text = edit.set_values(plan.policy_bytes.decode(), {"recipients": [ANNA, BEN]})
    envelope = sign.envelope(text.encode(), sign.PAYLOAD_TYPE, SIGNERS[:1])
    policy = put(tmp_path / "exam.dsse", envelope)
    beside = put(tmp_path / "revoked.dsse", signed(listed(BEN, number=2)))
    made = make_plan(str(policy), require_all=False)
    assert choose_recipients(made, [], now=NOW) == (ANNA,)
    put(beside, signed(listed(ANNA, number=1)))
    made = make_plan(str(policy), require_all=False)
    assert choose_recipients(made, [], now=NOW) == (ANNA,), "an older list lay beside it"
    put(beside, signed(listed(ANNA, number=3), Ed25519PrivateKey.generate()))
    with pytest.raises(CheckFailed, match="is not signed as the root file"):
        make_plan(str(policy), require_all=False)
    put(beside, b"{")
    with pytest.raises(InputError, match=r"revoked\.dsse cannot be read"):
        make_plan(str(policy), require_all=False)
    put(beside, signed(listed(ANNA, number=9, who="Hill College"), SIGNERS[2]))
    assert make_plan(str(policy), require_all=False)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", sign.envelope(b"x", "text/plain", SIGNERS[:1]),
     sign.envelope(b"number = ", revoked.PAYLOAD_TYPE, SIGNERS[:1]),
     sign.envelope(b'institution = "X"\nnumber = 1\nkeys = [{}]', revoked.PAYLOAD_TYPE, SIGNERS[:1])],
)  # fmt: skip
def test_what_is_no_list_is_one_sentence(plan: Plan, tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(InputError) as error:
        install(put(tmp_path / "list", raw))
    assert "\n" not in str(error.value)


def test_a_list_only_grows_and_a_moment_only_moves_forward() -> None:
    first = revoked.with_key(None, US, ANNA, NOW + DAY, "It expires then.")
    with pytest.raises(PolicyError, match="on the list already"):
        revoked.with_key(first, US, ANNA, NOW + 2 * DAY, "Later.")
    second = revoked.with_key(first, US, ANNA, NOW, "It was stolen.")
    third = revoked.with_key(second, US, BEN, NOW, "Its holder left.")
    assert (third.number, [one.recipient for one in third.keys]) == (3, [ANNA, BEN])
    with pytest.raises(PolicyError, match="is one of"):
        revoked.with_key(third, "Hill College", CLEO, NOW, "No.")
    assert revoked.parse(third.text().encode(), "x") == third


# Roots that follow one another.


def next_root(old: str, text: str, *signers: Ed25519PrivateKey) -> Root:
    return root.follow(sign.envelope(text.encode(), root.PAYLOAD_TYPE, signers), "new", known(old))


def test_a_new_root_needs_enough_of_the_old_keys_and_of_its_own() -> None:
    one, two, three = SIGNERS
    old, new = root_of([one, two], 2), root_of([two, three], 2, 2)
    assert next_root(old, new, one, two, three).version == 2
    with pytest.raises(Refused, match="that is installed here asks"):
        next_root(old, new, two, three)
    with pytest.raises(Refused, match="enough of its own keys"):
        next_root(old, new, one, two)


@pytest.mark.parametrize(
    ("version", "who", "words"),
    [
        (1, US, "version 2 comes next"),
        (3, US, "version 2 comes next"),
        (2, "Hill College", "is of 'Hill College'"),
    ],
)
def test_a_root_is_the_next_one_of_the_same_institution(version: int, who: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        next_root(root_of(SIGNERS), root_of(SIGNERS, 1, version, who), *SIGNERS)


def test_a_policy_in_the_place_of_a_root_is_refused() -> None:
    text = root_of(SIGNERS, 1, 2).encode()
    with pytest.raises(Refused):
        root.follow(sign.envelope(text, sign.PAYLOAD_TYPE, SIGNERS), "new", known(root_of(SIGNERS)))


def test_an_installed_root_follows_step_by_step(proctor_home: Path, tmp_path: Path) -> None:
    one, two, three = SIGNERS
    first = put(tmp_path / "root.toml", root_of([one]))
    second = put(tmp_path / "2.dsse", sign.envelope(
        root_of([two], 1, 2).encode(), root.PAYLOAD_TYPE, [one, two]))  # fmt: skip
    third = put(tmp_path / "3.dsse", sign.envelope(
        root_of([three], 1, 3).encode(), root.PAYLOAD_TYPE, [two, three]))  # fmt: skip
    with pytest.raises(InputError, match="install the plain root file"):
        install_root(second)
    install_root(first)
    with pytest.raises(CheckFailed, match="that is installed here asks"):
        install_root(third)
    for path, version in ((second, 2), (second, 2), (third, 3)):
        assert install_root(path)[1].version == version
    ((_, now),) = installed_roots()
    assert now == known(root_of([three], 1, 3))
    with pytest.raises(CheckFailed):
        install_root(second)
    with pytest.raises(InputError, match="Another root file"):
        install_root(first)


@pytest.fixture
def pin(tmp_path: Path) -> list[str]:
    secret = put(tmp_path / "secret", "correct horse battery staple\n")
    secret.chmod(0o600)
    return ["--passphrase-file", str(secret)]


def test_the_commands_from_the_first_root_to_a_revoked_key(
    proctor_home: Path, tmp_path: Path, pin: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> str:
        assert main(list(words)) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    at: Callable[[str], str] = lambda name: str(tmp_path / name)  # noqa: E731
    for name in ("ada", "ben"):
        run("keys", "new", name, "--signing", "--dir", str(tmp_path), *pin)
    run("policy", "root", "new", "--institution", US, "--key", at("ada.pub"), "--out", at("r.toml"))
    run("policy", "root", "install", at("r.toml"))
    words = ["policy", "root", "next", at("r.toml"), "--key", at("ben.pub"), "--out", at("r2.dsse")]
    told = run(*words, "--sign-with", at("ada.pem"), *pin)
    assert "More must sign" in told
    assert main(["policy", "root", "install", at("r2.dsse")]) == 1
    assert "enough of its own keys" in capsys.readouterr().err
    run("policy", "root", "sign", at("r2.dsse"), "--key", at("ben.pem"), *pin)
    assert "1 of 1 keys" in run("policy", "root", "install", at("r2.dsse"))
    assert root.read(tmp_path / "r2.toml").version == 2

    new = ["keys", "revoked", "new", ANNA, "--institution", US, "--reason", "It was stolen."]
    run(*new, "--key", at("ada.pem"), "--out", at("1.dsse"), *pin)
    assert main(["keys", "revoked", "install", at("1.dsse")]) == 1, "ada's key counts no more"
    run("keys", "revoked", "sign", at("1.dsse"), "--key", at("ben.pem"), *pin)
    assert "for 1 keys" in run("keys", "revoked", "install", at("1.dsse"))
    more = ["keys", "revoked", "new", BEN, "--institution", US, "--reason", "Its holder left."]
    more += ["--list", at("1.dsse"), "--since", "2027-03-31", "--key", at("ben.pem")]
    run(*more, "--out", at("2.dsse"), *pin)
    shown = run("keys", "revoked", "show", at("2.dsse"))
    assert "number 2" in shown
    assert f"{BEN} since 2027-03-31 00:00 UTC: Its holder left." in shown
    assert main([*more, "--out", at("2.dsse"), *pin]) == 2
    assert "already" in capsys.readouterr().err


def test_a_hold_stays_in_force_when_one_who_signed_it_is_replaced(
    finished_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two, three = SIGNERS
    install_root(put(tmp_path / "root.toml", root_of([one, two], 2)))
    attempt = view.read(finished_case).attempt
    paper = hold.Hold(attempt, frozenset(), "N", "R", datetime(2199, 1, 1, tzinfo=UTC))
    (finished_case / layout.HOLDS).mkdir()
    put(finished_case / layout.hold_name(1), hold.write(paper, [one, two]))
    erase = ["case", "erase", str(finished_case), "--flag", "object.phone-001", "--why", "Asked."]
    assert main(erase) == 1
    text = root_of([one, three], 2, 2).encode()
    install_root(
        put(tmp_path / "2.dsse", sign.envelope(text, root.PAYLOAD_TYPE, [one, two, three]))
    )
    assert main(erase) == 1
    assert "holds it until 2199-01-01" in capsys.readouterr().err
    put(tmp_path / "2.toml", text)
    assert main([*erase, "--root", str(tmp_path / "2.toml")]) == 0, "only the root that was given"


def test_no_export_is_encrypted_for_a_revoked_key(
    plan: Plan, finished_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(put(tmp_path / "list", signed(listed(BEN))))
    words = ["case", "export", str(finished_case), "--to", str(tmp_path / "out.zip")]
    words += ["--identity", str(keys.keys_dir() / "demo.key"), "--reason", "A test."]
    assert main([*words, "--recipient", BEN]) == 1
    assert "It was stolen" in capsys.readouterr().err
    assert not (tmp_path / "out.zip").exists()
    assert main([*words, "--recipient", ANNA]) == 0
