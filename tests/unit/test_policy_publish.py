"""Publishing: what students get is what an agent would follow, and its version only ever rises."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyrage import x25519

from policies import edit, load
from proctor.cli.main import main

PASSPHRASE = "five plain words in here"


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two keys, a root file that wants one of them, and version 2 of a policy, signed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    secret = tmp_path / "words"
    secret.write_text(f"{PASSPHRASE}\n", encoding="utf-8")
    secret.chmod(0o600)
    for name in ("dean", "stranger"):
        assert (
            main(["keys", "new", name, "--signing", "--dir", ".", "--passphrase-file", "words"])
            == 0
        )
    assert (
        main(["policy", "root", "new", "--institution", "Sample College", "--key", "dean.pub"]) == 0
    )
    (tmp_path / "public").mkdir()
    signed(2)
    return tmp_path


def signed(version: int, key: str = "dean", **values: object) -> Path:
    text = load.read_bytes("practice").decode()
    text = edit.set_values(
        text,
        {
            "id": "algebra",
            "institution": "Sample College",
            "exam": "Algebra",
            "version": version,
            **values,
        },
    )
    path = Path(f"algebra-{version}-{key}-{len(values)}.toml")
    path.write_text(text, encoding="utf-8")
    command = ["policy", "sign", str(path), "--key", f"{key}.pem", "--passphrase-file", "words"]
    assert main([*command, "--despite-errors"]) == 0
    return path.with_suffix(".dsse")


def publish(envelope: Path) -> int:
    return main(["policy", "publish", str(envelope), "--root", "root.toml", "--to", "public"])


def test_what_is_published_is_followed(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert publish(signed(3)) == 0
    assert "version 3" in capsys.readouterr().out
    assert main(["policy", "verify", "public/algebra.dsse", "--root", "public/root.toml"]) == 0


def test_a_later_beginning_is_published_before_it(office: Path) -> None:
    from datetime import UTC, datetime, timedelta

    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    assert publish(signed(3, not_before=soon)) == 0


def test_the_version_must_rise(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert publish(signed(3)) == 0
    before = (office / "public" / "algebra.dsse").read_bytes()
    assert publish(signed(2, exam="Algebra II")) == 1
    assert "raise `version` to 4" in capsys.readouterr().err
    assert (office / "public" / "algebra.dsse").read_bytes() == before
    assert publish(signed(4)) == 0


def test_a_signature_of_somebody_else_is_refused(
    office: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish(signed(3, key="stranger")) == 1
    assert "not signed by an institution" in capsys.readouterr().err
    assert list((office / "public").iterdir()) == []


def test_another_root_is_never_overwritten(
    office: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish(signed(3)) == 0
    command = ["policy", "root", "new", "--institution", "Sample College", "--out", "root.toml"]
    Path("root.toml").unlink()
    assert main([*command, "--key", "dean.pub", "--key", "stranger.pub"]) == 0
    assert publish(signed(4)) == 2
    assert "Another root file lies at" in capsys.readouterr().err


def test_toml_is_not_published(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert publish(Path("algebra-2-dean-0.toml")) == 2
    assert "is not signed" in capsys.readouterr().err


def test_a_list_of_revoked_keys_is_published_beside_it(
    office: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = str(x25519.Identity.generate().to_public())
    new = ["keys", "revoked", "new", key, "--institution", "Sample College", "--reason", "Stolen."]
    pin = ["--passphrase-file", "words"]
    assert main([*new, "--key", "stranger.pem", "--out", "theirs.dsse", *pin]) == 0
    assert main([*new, "--key", "dean.pem", "--out", "list.dsse", *pin]) == 0
    words = ["policy", "publish", str(signed(3)), "--root", "root.toml", "--to", "public"]
    assert main([*words, "--revoked", "theirs.dsse"]) == 1
    assert "is not signed as the root file" in capsys.readouterr().err
    assert list(Path("public").iterdir()) == [], "nothing is published by halves"
    assert main([*words, "--revoked", "list.dsse"]) == 0
    assert Path("public/revoked.dsse").read_bytes() == Path("list.dsse").read_bytes()
