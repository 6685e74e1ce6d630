"""Settings of a hub whose secrets lie in files: a vault's, or credentials of systemd."""

from __future__ import annotations

from pathlib import Path

import pytest

from proctor.errors import InputError
from proctor.hub import settings

SECRET = "a token that nobody sees"


def test_secrets_come_from_files_that_the_environment_or_the_settings_name(tmp_path: Path) -> None:
    token, base = tmp_path / "token", tmp_path / "database"
    token.write_text(f"{SECRET}\n")
    base.write_text("postgresql://hub:hidden@db/hub\n")
    file = tmp_path / "hub.toml"
    file.write_text(
        f'folder = "{tmp_path.as_posix()}"\nmetrics_token_file = "{token.as_posix()}"\n'
    )
    said = settings.load(file, {"PROCTOR_HUB_DATABASE_FILE": str(base)})
    assert said.metrics_token == SECRET
    assert said.database == "postgresql+psycopg://hub:hidden@db/hub"
    assert SECRET not in repr(said)
    # The environment wins over the file, as everywhere.
    assert settings.load(file, {"PROCTOR_HUB_METRICS_TOKEN": "x"}).metrics_token == "x"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read"), (b"", "one line"), (b"one\ntwo\n", "one line"), (b"\xff\xfe\x00", "no text"),
    ],
)  # fmt: skip
def test_a_file_without_its_secret_is_told_and_shown_to_nobody(
    tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=sentence) as caught:
        settings.load(None, {"PROCTOR_HUB_OIDC_SECRET_FILE": str(path)})
    assert "two" not in str(caught.value)
    with pytest.raises(InputError, match="leave one out"):
        settings.load(
            None, {"PROCTOR_HUB_METRICS_TOKEN": "x", "PROCTOR_HUB_METRICS_TOKEN_FILE": str(path)}
        )


def test_only_secrets_may_be_named_as_files(tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    file.write_text('port_file = "x"\n')
    with pytest.raises(InputError, match="port_file"):
        settings.load(file, {})
