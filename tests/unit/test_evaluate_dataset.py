"""Datasets are read strictly, and whatever is wrong is told with its file and line."""

from __future__ import annotations

import pytest

from proctor.cli.main import main
from proctor.errors import InputError
from proctor.evaluate.check import check
from proctor.evaluate.dataset import parse, read

SESSIONS = "session,person,arm,media\n"
TRUTH = "session,start_s,end_s,kind,annotator,certain\n"
KINDS = {"object.phone", "face.absent", "speech.voice"}


@pytest.fixture
def folder(tmp_path, made_recording):
    """A dataset of four seconds in one session; tests add to its tables."""
    (tmp_path / "a.mp4").write_bytes(made_recording.path.read_bytes())
    write(tmp_path, "s1,p1,honest,a.mp4\n", "")
    return tmp_path


def write(folder, sessions, truth, header=SESSIONS):
    (folder / "sessions.csv").write_text(header + sessions, encoding="utf-8")
    (folder / "truth.csv").write_text(TRUTH + truth, encoding="utf-8")


def test_a_whole_dataset_is_read(folder):
    header = "session,person,arm,media,split,labelled,policy,skin_tone,group_desk\n"
    rows = "s1,p1,instructed,a.mp4,test,object.phone face.absent,gaze.away.on=0.8,7,window\n"
    write(folder, rows, "s1,1.5,2,object.phone,anna,yes\ns1,0.5,1,face.absent,ben,no\n", header)
    (entry,) = read(folder).entries
    assert (entry.person, entry.arm, entry.split) == ("p1", "instructed", "test")
    assert entry.labelled == {"object.phone", "face.absent"}
    assert entry.groups == {"skin_tone": "7", "desk": "window"}
    assert entry.overrides == ("gaze.away.on=0.8",)
    assert [(e.start, e.kind, e.annotator, e.certain) for e in entry.truth] == [
        (0.5, "face.absent", "ben", False),
        (1.5, "object.phone", "anna", True),
    ]


FAULTS = [
    ("s1,p1,innocent,a.mp4\n", "", "sessions.csv, line 2: arm must be one of honest"),
    ("s1,p1,honest\n", "", "sessions.csv, line 2: there are 3 cells and 4 columns"),
    ("s1,p1,honest,a.mp4\ns1,p2,honest,a.mp4\n", "", "line 3: the session 's1' stands in line 2"),
    ("s1,,honest,a.mp4\n", "", "person must be a short name"),
    ("s1,p1,honest,\n", "", "media is empty"),
    (
        "s1,p1,honest,a.mp4\n",
        "s2,1,2,object.phone,a,yes\n",
        "truth.csv, line 2: sessions.csv has no",
    ),
    ("s1,p1,honest,a.mp4\n", "s1,2,1,object.phone,a,yes\n", "end_s (1) lies before start_s (2)"),
    ("s1,p1,honest,a.mp4\n", "s1,1:20,2,object.phone,a,yes\n", "start_s must be seconds"),
    ("s1,p1,honest,a.mp4\n", "s1,nan,2,object.phone,a,yes\n", "start_s must be seconds"),
    ("s1,p1,honest,a.mp4\n", "s1,1,2,phone,a,yes\n", "kind must be a dotted name"),
    ("s1,p1,honest,a.mp4\n", "s1,1,2,object.phone,a,maybe\n", "certain must be yes or no"),
    ("s1,p1,honest,a.mp4\n", "s1,1,2,object.phone,,yes\n", "annotator is empty"),
    ("", "", "sessions.csv, line 1: there is no session in it"),
]


@pytest.mark.parametrize("value", ["1..2", "0.8.1", ".", "-1", "nan"])
def test_an_override_that_is_no_number_is_told(folder, value):
    write(
        folder,
        f"s1,p1,honest,a.mp4,gaze.away.on={value}\n",
        "",
        "session,person,arm,media,policy\n",
    )
    with pytest.raises(InputError, match="policy must be words such as"):
        read(folder)


@pytest.mark.parametrize(("sessions", "truth", "expected"), FAULTS)
def test_a_fault_is_told_with_file_and_line(folder, sessions, truth, expected):
    write(folder, sessions, truth)
    with pytest.raises(InputError) as refused:
        read(folder)
    assert expected in str(refused.value)


def test_every_fault_is_found_and_the_first_one_told(folder):
    write(folder, "s1,p1,innocent,a.mp4\ns2,p1,honest,a.mp4\n", "s9,1,2,object.phone,a,yes\n")
    assert len(parse(folder).faults) == 2
    with pytest.raises(InputError, match="1 more; `proctor dataset check` lists them"):
        read(folder)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("session,person,arm\n", "the column media is missing"),
        ("session,person,arm,media,tone\n", "there is no column 'tone'"),
        ("session,person,arm,media,arm\n", "the column arm is there twice"),
    ],
)
def test_a_wrong_header_is_told(folder, header, expected):
    write(folder, "", "", header)
    assert expected in str(parse(folder).faults[0])


def test_a_file_that_is_no_text_and_a_folder_that_is_none(folder, tmp_path):
    (folder / "truth.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        parse(folder)
    with pytest.raises(InputError, match="There is no folder"):
        parse(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="is no dataset"):
        parse(tmp_path / "empty")


def test_oep_folders_are_read_as_published(tmp_path, made_recording):
    for subject, text in ((1, "0001 0003 1\n0003 0004 5\n"), (10, "0000 0002 1\n")):
        here = tmp_path / f"subject{subject}"
        here.mkdir()
        (here / "gt.txt").write_text(text, encoding="utf-8")
        for name in ("anna1.avi", "anna2.avi", "anna.wav"):
            (here / name).write_bytes(made_recording.path.read_bytes())
    (tmp_path / "types.csv").write_text("type,kinds\n1,object.book gaze.down\n", encoding="utf-8")
    dataset = read(tmp_path)
    assert dataset.layout == "OEP"
    first, tenth = dataset.entries
    assert (first.arm, tenth.arm) == ("instructed", "real")
    assert first.media.name == "anna1.avi"
    assert first.sound is not None
    assert first.sound.name == "anna.wav"
    assert [(e.start, e.end, e.kind) for e in first.truth] == [
        (1.0, 3.0, "object.book"),
        (1.0, 3.0, "gaze.down"),
        (3.0, 4.0, "oep.type_5"),
    ]
    assert first.labelled == {"object.book", "gaze.down"}
    assert "minutes and seconds" in dataset.notes[0]
    assert "types 5" in dataset.notes[1]


def test_oep_minutes_are_told_from_seconds_and_faults_with_their_line(tmp_path, made_recording):
    here = tmp_path / "subject3"
    here.mkdir()
    (here / "a1.avi").write_bytes(made_recording.path.read_bytes())
    for text, expected in (
        ("0130 0145 2\n", 90.0),
        ("130 145 2\n", 130.0),
        ("1:30 1:45 2\n", 90.0),
    ):
        (here / "gt.txt").write_text(text, encoding="utf-8")
        assert read(tmp_path).entries[0].truth[0].start == expected
    (here / "gt.txt").write_text("0130 0145 2\n0150 0145 2\n0200\n", encoding="utf-8")
    faults = [str(fault) for fault in parse(tmp_path).faults]
    assert faults[0].startswith("subject3/gt.txt, line 2: the end (0145) lies before")
    assert faults[1].startswith("subject3/gt.txt, line 3: a start, an end and a type")


def test_rttm_says_speech_and_nothing_else(tmp_path, made_recording):
    (tmp_path / "meeting.mp4").write_bytes(made_recording.path.read_bytes())
    lines = "SPEAKER meeting 1 0.50 1.25 <NA> <NA> spk1 <NA> <NA>\n;; a comment\n"
    (tmp_path / "meeting.rttm").write_text(lines, encoding="utf-8")
    (entry,) = read(tmp_path).entries
    assert entry.labelled == {"speech.voice"}
    assert [(e.start, e.end, e.kind) for e in entry.truth] == [(0.5, 1.75, "speech.voice")]
    (tmp_path / "other.rttm").write_text("SPEAKER other 1 0 1 <NA> <NA> s <NA>\n", encoding="utf-8")
    with pytest.raises(InputError, match="there is no such recording"):
        read(tmp_path)


def test_an_rttm_table_without_speech_counts_as_silence(tmp_path, made_recording):
    (tmp_path / "quiet.mp4").write_bytes(made_recording.path.read_bytes())
    (tmp_path / "quiet.rttm").write_text(";; nobody spoke\n", encoding="utf-8")
    (entry,) = read(tmp_path).entries
    assert (entry.labelled, entry.truth) == ({"speech.voice"}, ())


def test_everything_labelled_and_nothing_labelled_are_two_datasets(folder):
    digests = set()
    for labelled in ("all", "none", "object.phone"):
        write(folder, f"s1,p1,honest,a.mp4,{labelled}\n", "", "session,person,arm,media,labelled\n")
        digests.add(read(folder).sha256)
    assert len(digests) == 3


def test_a_separator_of_unicode_in_a_cell_ends_no_line(folder):
    write(folder, "s1,p1,honest,a.mp4\n", "s1,1,2,object.phone,anna\u2028b,yes\n")
    assert len(read(folder).entries[0].truth) == 1


def test_bare_recordings_say_nothing(folder):
    (folder / "sessions.csv").unlink()
    (folder / "truth.csv").unlink()
    (entry,) = read(folder).entries
    assert (entry.id, entry.arm, entry.labelled) == ("a", "unknown", frozenset())


def told(folder):
    found = check(parse(folder), KINDS)
    return "\n".join(map(str, found.faults)), "\n".join(map(str, found.remarks))


def test_check_finds_what_reading_cannot(folder):
    header = "session,person,arm,media,split\n"
    rows = "s1,p1,honest,a.mp4,development\ns2,p1,honest,a.mp4,test\ns3,p3,honest,gone.mp4,test\n"
    truth = (
        "s1,3,5,object.phone,anna,yes\ns1,1,2,face.absent,anna,yes\ns1,1.5,2.5,face.absent,anna,yes\n"
        "s1,0,1,object.spoon,anna,yes\n"
    )
    write(folder, rows, truth, header)
    faults, remarks = told(folder)
    assert "sessions.csv, line 4: session 's3'" in faults
    assert "object.phone at 3-5 s ends after the recording does" in faults
    assert "the person 'p1' is in the splits development and test" in faults
    assert "overlap; one act is one line" in remarks
    assert "no installed detector measures object.spoon" in remarks
    assert "a.mp4 is used by 2 sessions" in remarks
    assert "nobody is in the arm instructed" in remarks


@pytest.mark.parametrize(("factor", "unit"), [(1000, "milliseconds"), (25, "frames")])
def test_a_wrong_unit_is_guessed(folder, factor, unit):
    truth = "".join(f"s1,{t * factor},{(t + 0.5) * factor},object.phone,a,yes\n" for t in (1, 2, 3))
    write(folder, "s1,p1,honest,a.mp4\n", truth)
    faults, _ = told(folder)
    assert f"they look like {unit}" in faults


def test_few_and_no_honest_persons_are_told(folder):
    header = "session,person,arm,media,glasses\n"
    write(folder, "s1,p1,instructed,a.mp4,yes\n", "", header)
    _, remarks = told(folder)
    assert "no false flag can be counted" in remarks
    assert "there is one person only" in remarks
    assert "too few persons to compare by glasses: yes (1)" in remarks


def test_the_command_answers_no_with_exit_code_1(folder, capsys):
    assert main(["dataset", "check", str(folder)]) == 0
    write(folder, "s1,p1,honest,a.mp4\n", "s1,1,9,object.phone,a,yes\n")
    assert main(["dataset", "check", str(folder), "--json"]) == 1
    assert "ends after the recording does" in capsys.readouterr().out


def test_a_dataset_of_others_is_not_told_of_tables_that_it_has_not(folder):
    (folder / "sessions.csv").unlink()
    (folder / "truth.csv").unlink()
    (folder / "broken.mp4").write_bytes(b"no film")
    faults, remarks = told(folder)
    assert faults.startswith("session 'broken': ")
    assert not faults.endswith(".")
    assert remarks.startswith("nobody is in the arm honest or nervous")
    assert ".csv" not in faults + remarks
