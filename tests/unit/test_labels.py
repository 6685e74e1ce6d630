"""Labels that several people write into one table: nothing that anybody wrote is lost."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest

from proctor.errors import InputError
from proctor.evaluate import labels as module
from proctor.evaluate.dataset import read
from proctor.evaluate.labels import Labels, disputes, ready
from proctor.evaluate.values import TruthEvent

HEAD = "session,start_s,end_s,kind,annotator,certain\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sessions.csv").write_text(
        "session,person,arm,media\none,p1,honest,a.mp4\ntwo,p2,instructed,b.mp4\n", encoding="utf-8"
    )
    (tmp_path / "truth.csv").write_text(
        HEAD + "two,1.25,2.123456789,object.phone,Bo,no\none,3,4,gaze.away,Ada,yes\n", "utf-8"
    )
    return tmp_path


def event(start: float, end: float, who: str = "Ada", session: str = "one", **more) -> TruthEvent:
    return TruthEvent(session, start, end, more.pop("kind", "object.phone"), who, **more)


def truth(folder: Path) -> set[TruthEvent]:
    return {one for entry in read(folder).entries for one in entry.truth}


def test_a_label_is_in_the_file_with_everybody_elses(folder):
    ada = Labels(read(folder), "Ada")
    assert not ada.unsaved
    new = event(1 / 3, 2 / 3, certain=False)
    ada.put("one", (*ada.mine("one"), new))
    assert ada.unsaved
    ada.save()
    assert not ada.unsaved
    assert (folder / "truth.csv").read_text(encoding="utf-8") == (
        HEAD
        + "one,0.333333,0.666667,object.phone,Ada,no\n"
        + "one,3,4,gaze.away,Ada,yes\n"
        + "two,1.25,2.123457,object.phone,Bo,no\n"
    )
    # What came back from the file can be taken away again.
    ada.put("one", ())
    ada.save()
    assert truth(folder) == {event(1.25, 2.123457, "Bo", "two", certain=False)}


def test_what_others_wrote_meanwhile_stays(folder):
    """Three windows, two of them of one person, in random order: the file is what all of them said."""
    chance = random.Random(5)  # noqa: S311
    wanted = truth(folder) - {event(1.25, 2.123456789, "Bo", "two", certain=False)}
    wanted.add(event(1.25, 2.123457, "Bo", "two", certain=False))
    windows = [Labels(read(folder), who) for who in ("Ada", "Ada", "Bo")]
    for step in range(120):
        window = chance.choice(windows)
        own = window.mine("one")
        if own and chance.random() < 0.3:
            gone = chance.choice(own)
            window.put("one", (one for one in own if one != gone))
            wanted.discard(gone)
        else:
            made = event(step, step + 0.5, window.who)
            window.put("one", (*own, made))
            wanted.add(made)
        if chance.random() < 0.7:
            window.save()
    for window in windows:
        window.save()
    assert truth(folder) == wanted


def test_a_label_set_while_the_file_is_written_is_not_lost(folder, monkeypatch):
    ada = Labels(read(folder), "Ada")
    kept, late = ada.mine("one"), event(8, 9)
    real, inside, go_on = module.write_whole, threading.Event(), threading.Event()

    def slow(path, data):
        inside.set()
        assert go_on.wait(20)
        real(path, data)

    monkeypatch.setattr(module, "write_whole", slow)
    ada.put("one", (*kept, event(6, 7)))
    writing = threading.Thread(target=ada.save)
    writing.start()
    assert inside.wait(20)
    ada.put("one", (*kept, late))
    go_on.set()
    writing.join()
    assert ada.unsaved
    assert ada.mine("one") == (*kept, late)
    ada.save()
    assert truth(folder) >= {late}
    assert event(6, 7) not in truth(folder)


def test_a_file_that_somebody_broke_is_left_alone(folder):
    ada = Labels(read(folder), "Ada")
    ada.put("one", ())
    broken = HEAD + "one,x,2,object.phone,Bo,yes\n"
    (folder / "truth.csv").write_text(broken, encoding="utf-8")
    with pytest.raises(InputError, match=r"Nothing was saved.*line 2: start_s must be seconds"):
        ada.save()
    assert (folder / "truth.csv").read_text(encoding="utf-8") == broken
    assert ada.unsaved


def test_a_folder_that_cannot_be_written_is_one_sentence(folder):
    ada = Labels(read(folder), "Ada")
    ada.put("one", ())
    (folder / "truth.csv.part").mkdir()
    with pytest.raises(InputError, match=r"truth\.csv cannot be written"):
        ada.save()
    assert ada.unsaved
    (folder / "truth.csv.part").rmdir()
    ada.save()
    assert not ada.unsaved


def test_names_and_strangers_labels_are_refused(folder):
    for name in ("", "a,b", "\x1b[2J", "-x"):
        with pytest.raises(InputError, match="A name must be"):
            Labels(read(folder), name)
    with pytest.raises(ValueError, match="another session or annotator"):
        Labels(read(folder), "Ada").put("one", (event(1, 2, "Bo"),))


def test_bare_recordings_get_tables(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("a.mp4", "deep/b c.webm", "(odd).mp4"):
        (tmp_path / name).write_bytes(b"x")
    dataset, said = ready(tmp_path)
    assert "sessions.csv was written" in said
    assert {entry.media.name for entry in dataset.entries} == {"a.mp4", "b c.webm", "(odd).mp4"}
    assert {entry.arm for entry in dataset.entries} == {"unknown"}
    # Nothing counts as labelled before the researcher says so.
    assert {entry.labelled for entry in dataset.entries} == {frozenset()}
    assert ready(tmp_path)[1] == ""


def test_a_layout_with_labels_of_its_own_is_refused(tmp_path):
    (tmp_path / "x.rttm").write_text("SPEAKER x 1 0.0 1.0 <NA> <NA> a <NA>\n", encoding="utf-8")
    (tmp_path / "x.mp4").write_bytes(b"x")
    with pytest.raises(InputError, match="layout RTTM, which has labels of its own"):
        ready(tmp_path)


def test_where_people_differ():
    said = (
        event(1.0, 5.0, "Ada"),
        event(1.2, 4.0, "Bo"),
        event(4.0, 6.0, "Cy"),
        event(8.0, 9.0, "Cy", kind="gaze.away", certain=False),
    )
    found = [(d.start, d.end, d.kind, d.there, d.absent) for d in disputes(said)]
    assert found == [
        (1.2, 4.0, "object.phone", ("Ada", "Bo"), ("Cy",)),
        (4.0, 5.0, "object.phone", ("Ada", "Cy"), ("Bo",)),
        (5.0, 6.0, "object.phone", ("Cy",), ("Ada", "Bo")),
        (8.0, 9.0, "gaze.away", ("Cy",), ("Ada", "Bo")),
    ]
    assert disputes(said[:1]) == ()


def test_agreement_is_that_of_the_report(folder):
    """Kappa by hand: of 10 s, two people agree on 2 there and 6 not, and differ on 2 (one each)."""
    ada = Labels(read(folder), "Ada")
    ada.put("one", (event(1.0, 4.0),))
    ada.save()
    bo = Labels(read(folder), "Bo")
    bo.put("one", (event(2.0, 5.0, "Bo"),))
    bo.save()
    # Ada's window was open all the time.
    found = ada.compare("one", 10.0)
    assert found.annotators == ("Ada", "Bo")
    (kappa,) = found.kappas.values()
    observed, expected = 0.8, 0.3 * 0.3 + 0.7 * 0.7
    assert kappa.value == pytest.approx((observed - expected) / (1 - expected))
    # Krippendorff 2011, binary data: 1 - (n - 1) * o01 / (n0 * n1), two units unlike of 20 values.
    assert found.alpha.here == pytest.approx(1 - 19 * 2 / (6 * 14))
    assert [(d.start, d.end) for d in found.disputes] == [(1.0, 2.0), (4.0, 5.0)]
