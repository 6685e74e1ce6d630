"""`proctor evaluate-faces`: real heads before the real plug-ins, and tables that say what they cannot."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from proctor.errors import InputError
from proctor.evaluate import stills, stills_table
from proctor.evaluate.statistics import Estimate

GROUPS = ("age_group_fairface", "gender_fairface")


@pytest.fixture
def few(media: Path, tmp_path: Path) -> Path:
    """Three heads, a picture of nobody and a file that is no picture, with their labels."""
    source = media / "images" / "faces_fairface"
    with (source / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["age_group_fairface"] == "30-39"][:3]
    for row in rows:
        shutil.copy(source / row["file"], tmp_path)
    cv2.imwrite(str(tmp_path / "nobody.png"), np.full((400, 400, 3), 128, np.uint8))
    rows.append({**rows[0], "file": "nobody.png"})
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    rows.append({**rows[0], "file": "broken.jpg", "gender_fairface": ""})
    with (tmp_path / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path


def test_heads_are_seen_and_what_is_no_picture_is_listed(
    few: Path, model: Callable[[str], Path], tmp_path: Path
) -> None:
    for name in ("yunet", "face_landmarker"):
        model(name)
    done: list[int] = []
    made = stills.work_out(stills.read(few, GROUPS), done.append, identity=False)
    assert done == [1, 2, 3, 4]
    assert made.unread == ("broken.jpg: no picture that reads",)
    first = made.asked[0]
    assert (first.question, made.pictures) == ("no face found", 4)
    assert isinstance(first.whole, Estimate)
    # The heads are found, and the empty grey picture is not.
    assert [told["no face found"] for _, told in made.answers] == [False, False, False, True]
    assert (first.whole.count, first.whole.n) == (1, 4)
    assert [path.name for path in stills_table.write(made, tmp_path / "out")] == [
        "faces.md",
        "faces.json",
        "faces.csv",
    ]
    page = (tmp_path / "out" / "faces.md").read_text(encoding="utf-8")
    assert "1 of 4 = 25.0 % (0.6 to 80.6 %)" in page
    assert "Left out: broken.jpg" in page
    assert json.loads((tmp_path / "out" / "faces.json").read_text(encoding="utf-8"))["stills"]


def test_an_empty_label_is_a_group_not_stated(few: Path) -> None:
    assert stills.read(few, GROUPS)[-1].groups == {"age_group_fairface": "30-39"}


def test_a_folder_without_labels_and_a_column_that_is_not_there(few: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the column tone is missing"):
        stills.read(few, ["tone"])
    with pytest.raises(InputError, match=r"There is no .*labels\.csv"):
        stills.read(tmp_path / "nowhere", GROUPS)
    with (few / "labels.csv").open("a", encoding="utf-8") as file:
        file.write("alone.jpg\n")
    with pytest.raises(InputError, match=r"labels\.csv, line 7: there are 1 cells"):
        stills.read(few, GROUPS)
    (few / "labels.csv").write_bytes("file,tone\na.jpg,brünett\n".encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8"):
        stills.read(few, ["tone"])


def test_identity_is_asked_of_one_person_who_looks_ahead(
    media: Path, model: Callable[[str], Path], tmp_path: Path
) -> None:
    """One head ahead, one turned aside, one with a neighbour, one blurred: two can be asked."""
    for name in ("yunet", "face_landmarker", "face_reid"):
        model(name)
    files = [f"fairface_{number}.jpg" for number in ("0129", "0032", "0161", "0309")]
    for name in files:
        shutil.copy(media / "images" / "faces_fairface" / name, tmp_path)
    (tmp_path / "labels.csv").write_text("\n".join(["file", *files, ""]), encoding="utf-8")
    made = stills.work_out(stills.read(tmp_path, ()))
    asked = {one.question: one.whole for one in made.asked}[stills.QUESTIONS[3]]
    assert isinstance(asked, Estimate)
    assert (asked.count, asked.n) == (1, 2)
    assert made.unfit == {"head turned or tilted": 1, "more than one face": 1}
    assert made.not_enrolled == {"face blurred": 1}
    page = stills_table.markdown(made)
    assert "Not asked of 2 pictures: 1 head turned or tilted, 1 more than one face." in page
    assert "Not enrolled because: 1 face blurred." in page
