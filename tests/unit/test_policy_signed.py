# ruff: noqa: N802 (a test is named after its rule)
"""P1: the agent refuses unsigned, expired, rolled-back and over-reaching policies, in one sentence each."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies import edit, load, root, sign
from policies.errors import PolicyError
from policies.schema import Policy
from proctor.cli.main import main
from proctor.errors import CheckFailed, InputError, ProctorError
from proctor.session import trust
from proctor.session.plan import make_plan
from proctor.session.trust import read_trusted

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PASSPHRASE = "correct horse battery staple"
STANDARD = load.read("standard")[1].decode()
INSTITUTION = "University of Both Shores"


@dataclass
class Office:
    """An institution's exam office: its keys, its root file, and the policies it signs."""

    folder: Path
    keys: list[Ed25519PrivateKey]
    threshold: int = 1
    institution: str = INSTITUTION
    count: int = field(default=0)

    @property
    def root(self) -> Path:
        path = self.folder / "root.toml"
        public = [root.public_text(key.public_key()) for key in self.keys]
        path.write_text(root.make(self.institution, public, self.threshold), encoding="utf-8")
        return path

    def policy(self, **values: object) -> bytes:
        changes = {"institution": self.institution, "id": "algebra", "stakes": "high", **values}
        return edit.set_values(STANDARD, changes).encode()

    def sign(self, payload: bytes, keys: Sequence[Ed25519PrivateKey] | None = None) -> str:
        envelope = sign.envelope(payload, sign.PAYLOAD_TYPE, keys or self.keys[: self.threshold])
        self.count += 1
        path = self.folder / f"exam-{self.count}.dsse"
        path.write_bytes(envelope)
        return str(path)


@pytest.fixture
def office(tmp_path: Path, proctor_home: Path) -> Office:
    folder = tmp_path / "office"
    folder.mkdir()
    return Office(folder, [Ed25519PrivateKey.generate() for _ in range(3)])


def refused(call: Callable[[], object], kind: type[ProctorError] = CheckFailed) -> str:
    """The sentence with which something is refused; what the machine remembers stays as it was."""
    memory = remembered()
    with pytest.raises(kind) as error:
        call()
    sentence = str(error.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert remembered() == memory
    return sentence


def remembered() -> bytes | None:
    path = Path(os.environ["PROCTOR_HOME"]) / "policies-seen.json"
    assert not path.with_name(path.name + ".part").exists()
    return path.read_bytes() if path.exists() else None


# Who signed.


def test_P1_a_policy_signed_by_a_known_institution_is_followed(office: Office) -> None:
    payload = office.policy()
    path = office.sign(payload)
    trusted = read_trusted(path, [office.root], now=NOW)
    assert trusted.policy.institution == INSTITUTION
    assert trusted.payload == payload
    assert trusted.envelope == Path(path).read_bytes()


def test_P1_the_plan_of_an_exam_holds_the_institutions_own_envelope(office: Office) -> None:
    path = office.sign(office.policy())
    plan = make_plan(path, require_all=False, roots=[office.root], now=NOW)
    assert plan.policy_envelope == Path(path).read_bytes()
    assert plan.without(["audio"], "not wanted").policy_envelope == plan.policy_envelope


def test_P1_a_policy_of_nobody_known_is_refused(office: Office) -> None:
    path = office.sign(office.policy())
    assert "give its root file with --root FILE" in refused(lambda: read_trusted(path, now=NOW))
    stranger = office.sign(office.policy(), [Ed25519PrivateKey.generate()])
    sentence = refused(lambda: read_trusted(stranger, [office.root], now=NOW))
    assert "needs 1 of the 3 expected signatures and has 0" in sentence


def test_P1_two_of_three_means_two_different_keys(office: Office) -> None:
    office.threshold = 2
    payload = office.policy()
    first, second, _ = office.keys
    assert "has 1" in refused(
        lambda: read_trusted(office.sign(payload, [first]), [office.root], now=NOW)
    )
    twice = office.sign(payload, [first, first])
    assert "has 1" in refused(lambda: read_trusted(twice, [office.root], now=NOW))
    assert read_trusted(office.sign(payload, [second, first]), [office.root], now=NOW)


def test_P1_an_institution_signs_only_for_itself(office: Office) -> None:
    path = office.sign(office.policy(institution="Another University"))
    sentence = refused(lambda: read_trusted(path, [office.root], now=NOW))
    assert f"speaks for 'Another University' but is signed by '{INSTITUTION}'" in sentence
    # Nor for a name that only looks the same: this one has a Cyrillic letter.
    path = office.sign(office.policy(institution=INSTITUTION.replace("o", "о", 1)))
    assert "may sign only for itself" in refused(lambda: read_trusted(path, [office.root], now=NOW))


def test_P1_one_changed_byte_is_refused(office: Office) -> None:
    path = Path(office.sign(office.policy()))
    document = json.loads(path.read_bytes())
    payload = base64.b64decode(document["payload"]).replace(b'stakes = "high"', b'stakes = "low"')
    document["payload"] = base64.b64encode(payload).decode()
    path.write_text(json.dumps(document))
    assert "has 0" in refused(lambda: read_trusted(str(path), [office.root], now=NOW))


def test_P1_an_envelope_of_something_else_or_of_nothing_is_refused(office: Office) -> None:
    other = office.folder / "other.dsse"
    other.write_bytes(sign.envelope(office.policy(), "application/x-other", office.keys))
    assert "holds 'application/x-other', which is no policy" in refused(
        lambda: read_trusted(str(other), [office.root], now=NOW), InputError
    )
    for raw in (b"{}", b"{" * 9000, b'{"payload": "AAAA"}', b'{"\xff": 1}'):
        other.write_bytes(raw)
        assert "other.dsse" in refused(
            lambda: read_trusted(str(other), [office.root], now=NOW), InputError
        )
    nonsense = office.sign(b"x = " + b"[" * 40_000)
    sentence = refused(lambda: read_trusted(nonsense, [office.root], now=NOW), InputError)
    assert "nested too deeply" in sentence


def test_P1_a_signed_policy_over_a_ceiling_is_refused(office: Office) -> None:
    payload = office.policy().replace(b"max_s = 30.0", b"max_s = 3000.0")
    path = office.sign(payload, office.keys)
    sentence = refused(lambda: read_trusted(path, [office.root], now=NOW), InputError)
    assert "clips.max_s: Input should be less than or equal to 60" in sentence


# When it holds.


def test_P1_a_policy_holds_from_its_first_moment_until_its_last(office: Office) -> None:
    path = office.sign(
        office.policy(not_before=NOW - timedelta(hours=1), expires=NOW + timedelta(hours=1))
    )
    known = [office.root]
    early, late = NOW - timedelta(hours=1, seconds=1), NOW + timedelta(hours=1)
    assert "holds only from 2026-11-22 11:00 UTC on" in refused(
        lambda: read_trusted(path, known, now=early)
    )
    assert read_trusted(path, known, now=NOW - timedelta(hours=1))
    assert read_trusted(path, known, now=late - timedelta(seconds=1))
    assert "expired on 2026-11-22 13:00 UTC" in refused(lambda: read_trusted(path, known, now=late))


def test_P1_the_present_is_this_computers_clock(office: Office) -> None:
    known = [office.root]
    long_gone = office.sign(office.policy(expires=datetime(2020, 1, 1, tzinfo=UTC)))
    assert "expired on 2020-01-01" in refused(lambda: read_trusted(long_gone, known))
    assert read_trusted(office.sign(office.policy()), known)


def test_P1_a_clock_that_was_set_back_is_noticed(office: Office) -> None:
    path, known = office.sign(office.policy()), [office.root]
    read_trusted(path, known, now=NOW)
    # A day is for time zones and drift.
    read_trusted(path, known, now=NOW - timedelta(days=1))
    sentence = refused(lambda: read_trusted(path, known, now=NOW - timedelta(days=1, seconds=1)))
    assert (
        "clock says 2026-11-21 11:59 UTC, but it was 2026-11-22 12:00 UTC here before" in sentence
    )
    # The latest moment counts, not the last one.
    read_trusted(path, known, now=NOW + timedelta(days=30))
    assert "set the clock" in refused(lambda: read_trusted(path, known, now=NOW))


# Which version.


def test_P1_a_version_lower_than_one_seen_is_refused(office: Office) -> None:
    known = [office.root]
    old, new = office.sign(office.policy(version=6)), office.sign(office.policy(version=7))
    read_trusted(old, known, now=NOW)
    read_trusted(new, known, now=NOW)
    sentence = refused(lambda: read_trusted(old, known, now=NOW))
    assert "is version 6, but version 7 of 'algebra' was followed here before" in sentence
    assert read_trusted(new, known, now=NOW)


def test_P1_two_policies_cannot_share_a_version(office: Office) -> None:
    known = [office.root]
    read_trusted(office.sign(office.policy(version=7)), known, now=NOW)
    other = office.sign(office.policy(version=7, exam="Algebra, second sitting"))
    assert "must raise the version" in refused(lambda: read_trusted(other, known, now=NOW))


def test_P1_versions_are_counted_for_each_policy_of_each_institution(
    office: Office, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    elsewhere = Office(tmp_path / "elsewhere", office.keys, institution="Another University")
    read_trusted(office.sign(office.policy(version=7)), [office.root], now=NOW)
    read_trusted(office.sign(office.policy(version=2, id="physics")), [office.root], now=NOW)
    read_trusted(elsewhere.sign(elsewhere.policy(version=3)), [elsewhere.root], now=NOW)
    seen = json.loads(remembered() or b"")["policies"]
    assert {i: {n: e["version"] for n, e in p.items()} for i, p in seen.items()} == {
        INSTITUTION: {"algebra": 7, "physics": 2},
        "Another University": {"algebra": 3},
    }


def test_P1_a_policy_that_is_refused_leaves_no_trace(office: Office) -> None:
    path = office.sign(office.policy(version=9, expires=NOW))
    refused(lambda: read_trusted(path, [office.root], now=NOW))
    assert remembered() is None
    assert read_trusted(office.sign(office.policy(version=1)), [office.root], now=NOW)


def test_P1_looking_at_a_policy_is_not_following_it(office: Office) -> None:
    path = office.sign(office.policy(version=9))
    assert trust.check(path, [office.root], now=NOW).version == 9
    assert remembered() is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"format": 2}',
        b'{"format": 1, "latest": "yesterday", "policies": {}}',
        b'{"format": 1, "latest": "2026-01-01T00:00:00", "policies": {}}',
        b'{"format": 1, "latest": null, "policies": {"x": {"y": {"version": "z"}}}}',
        b"[" * 100_000,
    ],
)
def test_P1_a_damaged_memory_is_said_and_not_taken_for_an_empty_one(
    office: Office, proctor_home: Path, raw: bytes
) -> None:
    proctor_home.mkdir(exist_ok=True)
    (proctor_home / "policies-seen.json").write_bytes(raw)
    path = office.sign(office.policy())
    sentence = refused(lambda: read_trusted(path, [office.root], now=NOW), InputError)
    assert "remembers of signed policies" in sentence


# What runs unsigned.


def test_P1_presets_and_practice_run_unsigned_and_nothing_else(
    office: Office, tmp_path: Path
) -> None:
    for name in load.preset_names():
        assert read_trusted(name).envelope is None
    file = tmp_path / "mine.toml"
    file.write_bytes(office.policy(stakes="practice"))
    assert read_trusted(str(file)).envelope is None
    for stakes in ("low", "high"):
        file.write_bytes(office.policy(stakes=stakes))
        sentence = refused(lambda: read_trusted(str(file)), InputError)
        assert f"its stakes are '{stakes}': only practice runs unsigned" in sentence
        assert "`proctor policy sign`" in sentence


def test_P1_a_root_file_asks_for_a_signature(office: Office, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(office.policy(stakes="practice"))
    for name in (str(file), "standard"):
        assert "is not signed" in refused(lambda n=name: read_trusted(n, [office.root]), InputError)


# Root files.


def test_P1_an_installed_root_is_used_without_being_named(office: Office) -> None:
    path = office.sign(office.policy())
    kept, _ = trust.install_root(office.root)
    assert kept.name.startswith("university-of-both-shores-")
    assert read_trusted(path, now=NOW)
    assert trust.install_root(office.root)[0] == kept
    office.threshold = 3
    assert f"remove {kept}" in refused(lambda: trust.install_root(office.root), InputError)


ONE_KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('institution = "X"\nthreshold = 1\nkeys = []', "keys"),
        (f'institution = "X"\nthreshold = 2\nkeys = ["{ONE_KEY}"]', "2 signatures of 1 keys"),
        (f'institution = "X"\nthreshold = 0\nkeys = ["{ONE_KEY}"]', "line 2: threshold"),
        (f'institution = "X"\nkeys = ["{ONE_KEY}", "{ONE_KEY}"]', "stands there twice"),
        ('institution = "X"\nkeys = ["short"]', "keys.0"),
        (
            f'institution = "X"\nkeys = ["{ONE_KEY}"]\nx = 1',
            "allowed: institution, version, threshold, keys",
        ),
        ('institution = "X"\nthreshold = 1', "keys: is needed"),
        (f'institution = "X\\u202e"\nkeys = ["{ONE_KEY}"]', "U+202E"),
        ("keys = [", "not valid TOML"),
        ("a." * 300 + "b = 1", "nested too deeply"),
        ("x = 1\n" + "#" * 300_000, "larger than"),
    ],
)
def test_P1_a_root_file_that_is_none_is_one_sentence(text: str, words: str) -> None:
    with pytest.raises(PolicyError) as error:
        root.parse(text.encode(), "root.toml")
    assert words in str(error.value)
    assert str(error.value).startswith("The root file root.toml")
    assert "\n" not in str(error.value)


def test_P1_case_verify_checks_the_whole_root(
    office: Office, begin_case: Callable[..., object]
) -> None:
    from proctor.evidence.verify import verify

    case = begin_case()
    case.close()  # type: ignore[attr-defined]
    folder = case.folder  # type: ignore[attr-defined]
    signer = root.parse(office.root.read_bytes(), "root.toml")

    def answer(who: root.Root) -> tuple[bool, str]:
        (check,) = [c for c in verify(folder, root=who) if c.code == "policy-signature"]
        return check.ok, check.detail

    ok, detail = answer(signer)
    assert not ok
    assert "not signed as the root file asks" in detail
    from proctor.evidence.keys import local_signing_key

    own = root.public_text(local_signing_key().public_key())
    text = root.make("Practice institution", [own], 1)
    ok, detail = answer(root.parse(text.encode(), "root.toml"))
    assert ok
    assert "Signed as the root file of 'Practice institution' asks" in detail
    ok, detail = answer(root.parse(root.make("Other", [own], 1).encode(), "root.toml"))
    assert not ok
    assert "not one of 'Other'" in detail


# The commands.


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    path = tmp_path / "passphrases"
    path.write_text(f"{PASSPHRASE}\n" * 3)
    path.chmod(0o600)
    return path


def test_P1_from_keys_to_a_followed_policy_through_the_commands(
    proctor_home: Path,
    tmp_path: Path,
    secrets: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["--passphrase-file", str(secrets)]

    def run(*words: str) -> tuple[int, str, str]:
        code = main([*words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    for name in ("rector", "dean", "clerk"):
        assert run("keys", "new", name, "--signing", *asked)[0] == 0
    assert "rector           signs as " in run("keys", "list")[1]
    keys = proctor_home / "keys"
    public = [
        word
        for name in ("rector", "dean", "clerk")
        for word in ("--key", str(keys / f"{name}.pub"))
    ]
    assert (
        run("policy", "root", "new", "--institution", INSTITUTION, *public, "--threshold", "2")[0]
        == 0
    )
    Path("algebra.toml").write_text(
        edit.set_values(load.read("minimal")[1].decode(), {"institution": INSTITUTION})
    )
    rector, dean = ("--key", str(keys / "rector.pem")), ("--key", str(keys / "dean.pem"))
    assert run("policy", "sign", "algebra.toml", *rector, *asked)[0] == 0
    code, _, err = run("policy", "verify", "algebra.dsse", "--root", "root.toml")
    assert code == 1
    assert "needs 2 of the 3 expected signatures and has 1" in err
    # The same key again is no second person.
    code, _, err = run("policy", "sign", "algebra.dsse", *rector, *asked)
    assert code == 2
    assert "signed it already" in err
    assert run("policy", "sign", "algebra.dsse", *dean, *asked)[0] == 0
    assert run("policy", "verify", "algebra.dsse", "--root", "root.toml")[0] == 0
    assert run("policy", "root", "install", "root.toml")[0] == 0
    code, out, _ = run("policy", "verify", "algebra.dsse")
    assert code == 0
    assert f"signed by {INSTITUTION}" in out
    assert json.loads(run("policy", "root", "list", "--json")[1])["threshold"] == 2
    # An envelope is never overwritten by another policy.
    before = Path("algebra.dsse").read_bytes()
    code, _, err = run("policy", "sign", "algebra.toml", *rector, *asked)
    assert code == 2
    assert "There is a file algebra.dsse already" in err
    assert Path("algebra.dsse").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "words", "code"),
    [
        ({"expires": datetime(2020, 1, 1, tzinfo=UTC)}, "has expired already", 2),
        (
            {"min_age": 16, "purposes.identity.alternative": "Show your card."},
            "not signed: `proctor",
            1,
        ),
    ],
)
def test_P1_what_must_not_be_followed_is_not_signed(
    change: dict[str, object],
    words: str,
    code: int,
    proctor_home: Path,
    tmp_path: Path,
    secrets: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "exam.toml"
    file.write_text(edit.set_values(STANDARD, change))
    assert main(["keys", "new", "k", "--signing", "--passphrase-file", str(secrets)]) == 0
    key = proctor_home / "keys" / "k.pem"
    words_given = [
        "policy",
        "sign",
        str(file),
        "--key",
        str(key),
        "--passphrase-file",
        str(secrets),
    ]
    assert main(words_given) == code
    assert words in capsys.readouterr().err
    assert not file.with_suffix(".dsse").exists()


def test_P1_an_example_is_not_signed(secrets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "sign", "standard", "--key", "k"]) == 2
    assert "speaks for nobody" in capsys.readouterr().err


def test_P1_a_policy_full_of_everything_survives_being_signed(office: Office) -> None:
    full = Path(__file__).with_name("policy_full.toml")
    shutil.copy(full, office.folder / "full.toml")
    raw = full.read_bytes()
    office.institution = load.parse(raw, "full").institution
    trusted = read_trusted(office.sign(raw), [office.root], now=datetime(2027, 1, 1, tzinfo=UTC))
    assert isinstance(trusted.policy, Policy)
    assert trusted.payload == raw
