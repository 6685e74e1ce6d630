"""``proctor case show`` on a real case: sealed stays sealed, opened is shown, damage is told."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from proctor.cli.main import main
from proctor.evidence import keys, layout
from proctor.evidence.apart import Apart
from proctor.evidence.page import write_page
from proctor.evidence.pictures import open_clip
from proctor.evidence.show import gather
from proctor.evidence.story import ClipStory, FlagStory
from proctor.types import Box, Clip

SEALED = "Sealed: only its recipients can open this clip."


def pictures(html: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)
    return [cv2.imdecode(np.frombuffer(base64.b64decode(f), np.uint8), 1) for f in found]


def test_without_a_key_no_clip_is_opened(finished_case: Path, tmp_path: Path) -> None:
    html = write_page(finished_case, tmp_path / "page.html").read_text("utf-8")
    assert html.count(SEALED) == 3
    assert not pictures(html)
    assert "data:video" not in html


def test_a_recipients_key_shows_pictures_from_before_and_within_the_flag(
    finished_case: Path, tmp_path: Path
) -> None:
    page = write_page(finished_case, tmp_path / "page.html", identities=[keys.demo_identity()])
    html = page.read_text("utf-8")
    found = pictures(html)
    assert len(found) >= 8
    assert all(picture.shape == (300, 400, 3) for picture in found)
    assert all(picture.std() > 10 for picture in found)  # the clip is noise, not a grey nothing
    assert ", before the flag" in html
    assert "This page contains pictures from" in html
    assert "data:video" not in html
    if os.name == "posix":
        assert page.stat().st_mode & 0o077 == 0
    assert [p.name for p in tmp_path.iterdir() if "part" in p.name] == []


def test_clips_are_embedded_only_when_asked_and_then_whole(
    finished_case: Path, tmp_path: Path, real_clip: Clip
) -> None:
    page = tmp_path / "page.html"
    write_page(finished_case, page, identities=[keys.demo_identity()], embed_clips=True)
    html = page.read_text("utf-8")
    clips = re.findall(r'src="data:video/mp4;base64,([^"]+)"', html)
    assert real_clip.data in [base64.b64decode(clip) for clip in clips]
    assert "whole clips with sound" in html


def test_a_key_that_fits_nothing_leaves_everything_sealed(
    finished_case: Path, tmp_path: Path
) -> None:
    other = keys.load_identity(keys.new_identity("other").path)
    html = write_page(finished_case, tmp_path / "p.html", identities=other).read_text("utf-8")
    assert html.count(SEALED) == 3
    assert not pictures(html)
    assert "Made with a key that opened no clip" in html


def test_changed_and_missing_clips_cost_a_sentence_not_the_page(
    finished_case: Path, tmp_path: Path
) -> None:
    changed = finished_case / layout.clip_name("object.phone-001")
    raw = bytearray(changed.read_bytes())
    raw[-1] ^= 1
    changed.write_bytes(raw)
    (finished_case / layout.clip_name("object.phone-002")).unlink()
    identities = [keys.demo_identity()]
    html = write_page(finished_case, tmp_path / "p.html", identities=identities).read_text("utf-8")
    assert "The sealed clip is not the one that the journal names; it was not opened." in html
    assert "The clip cannot be read from the case (No such file or directory)." in html
    assert "✗ no" in html
    assert "Clips were altered after they were sealed" in html


def test_the_box_is_drawn_at_its_own_moment_only(finished_case: Path) -> None:
    story = gather(finished_case).story
    flag = next(flag for flag in story.flags if flag.id == "object.phone-001")
    assert isinstance(flag.clip, ClipStory)

    def boxed(peak_t: float | None) -> list[tuple[float, bool]]:
        values = {name: getattr(flag, name) for name in FlagStory.__dataclass_fields__}
        placed = FlagStory(**{**values, "box": Box(0.2, 0.2, 0.5, 0.5), "peak_t": peak_t})
        with Apart() as apart:
            opened = open_clip(finished_case, placed, [keys.demo_identity()], apart)
        assert opened is not None
        return [(p.t, p.boxed) for p in opened.pictures]

    assert not any(drawn for _, drawn in boxed(None))
    assert [t for t, drawn in boxed(10.4) if drawn] == [10.4]


def test_a_clips_place_follows_from_its_flag_never_from_the_journal(
    finished_case: Path, tmp_path: Path
) -> None:
    story = gather(finished_case).story
    flag = story.flags[0]
    values = {name: getattr(flag, name) for name in FlagStory.__dataclass_fields__}
    outside = FlagStory(**{**values, "id": "../../etc/passwd"})
    with Apart() as apart:
        assert open_clip(finished_case, outside, [keys.demo_identity()], apart) is None


def test_the_terminal_shows_flags_what_is_missing_and_how_to_go_on(
    finished_case: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["case", "show", str(finished_case)]) == 0
    text = capsys.readouterr().out
    assert "3 moments are put before you. Nothing here is a verdict." in text
    assert "0:10 – 0:12" in text
    assert "object.phone-001: sealed clip of 4.0 s" in text
    assert "Not measured" in text
    assert f"proctor case open {finished_case} object.phone-001" in text
    assert max(map(len, text.splitlines()[:20])) <= 110


def test_json_is_one_object_a_machine_can_read(
    finished_case: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["case", "show", str(finished_case), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [flag["id"] for flag in told["flags"]] == [f"object.phone-00{i}" for i in (1, 2, 3)]
    assert told["flags"][0]["clip"]["bytes"] > 1000
    assert told["seconds"] == 60.0
    assert all(check["ok"] for check in told["checks"])
    assert told["not_measured_s"]["face.absent"] == pytest.approx(59.0, abs=0.2)


def test_the_command_writes_the_page_with_a_named_key(
    finished_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "out" / "page.html"
    keys.demo_identity()
    assert (
        main(["case", "show", str(finished_case), "--html", str(page), "--identity", "demo"]) == 0
    )
    assert capsys.readouterr().out.strip() == page.as_uri()
    assert pictures(page.read_text("utf-8"))


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["--identity", "demo"], 2, "give --html FILE"),
        (["--html", "p.html", "--embed-clips"], 2, "and --identity KEYFILE"),
        (["--html", "."], 2, "is a folder"),
        (["--html", "p.html", "--identity", "nobody.key"], 2, "cannot be read"),
        (["--html", "a-file/p.html"], 3, "Cannot write the page"),
    ],
)
def test_mistakes_end_in_one_sentence(
    finished_case: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").write_text("x")
    keys.demo_identity()
    assert main(["case", "show", str(finished_case), *more]) == code
    told = capsys.readouterr().err.strip()
    assert said in told
    assert len(told.splitlines()) == 1
    assert not (tmp_path / "p.html").exists()


def test_a_folder_that_is_no_case_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["case", "show", str(tmp_path)]) == 2
    assert "There is no case in" in capsys.readouterr().err
