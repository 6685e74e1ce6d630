"""Whatever a policy file holds: it is a policy, or one printable sentence says why not, soon.

``corpus/policy`` holds what was found or thought of before: ``.toml`` files as they are, and ``.hex``
files for bytes that are no text. A new finding goes there under a name that says what it is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies import edit, load, root
from policies.errors import PolicyError
from policies.schema import Policy

# A policy that is one (.txt) is where a fuzzer begins, not what is refused.
CORPUS = sorted(
    p
    for p in (Path(__file__).parent / "corpus" / "policy").iterdir()
    if p.suffix in (".toml", ".hex")
)
PRESETS = [load.read(name)[1].decode() for name in load.preset_names()]
LONGEST_SENTENCE = 1500
quick = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# Building a policy of every shape takes longer than damaging one.
thorough = settings(quick, max_examples=60)


def outcome(raw: bytes) -> Policy | str:
    """The policy, or the sentence; anything else that is raised fails the test."""
    try:
        return load.parse(raw, "exam.toml")
    except PolicyError as error:
        sentence = str(error)
    assert sentence.startswith("The policy exam.toml")
    assert sentence.isprintable()
    assert len(sentence) < LONGEST_SENTENCE
    return sentence


def content(path: Path) -> bytes:
    raw = path.read_bytes()
    return bytes.fromhex(raw.decode("ascii")) if path.suffix == ".hex" else raw


@pytest.mark.parametrize("path", CORPUS, ids=[p.name for p in CORPUS])
def test_what_was_found_before_is_still_refused_in_one_sentence(path: Path) -> None:
    assert isinstance(outcome(content(path)), str)


MANY = load.MAX_BYTES - 100
BOMBS = {
    "a dotted key": b".".join([b"a"] * (MANY // 2)) + b" = 1",
    "a dotted header": b"[" + b".".join([b"a"] * (MANY // 2)) + b"]",
    "quoted parts": b".".join([b'"\\""'] * (MANY // 5)) + b" = 1",
    "many dotted keys": b"\n".join(b"a." * 190 + b"b%d = 1" % i for i in range(MANY // 390)),
    "brackets": b"a = " + b"[" * MANY,
    "inline tables": b"a = " + b"{a=" * (MANY // 3),
    "quotes": b'a = "' + b'\\"' * (MANY // 2),
    "open quotes": b"a = [\n" + b"'" * MANY,
    "keys": b"\n".join(b"k%d=1" % i for i in range(MANY // 9)),
    "tables": b"[[a]]\n" * (MANY // 6),
    "digits": b"version = " + b"9" * MANY,
    "fifty megabytes": b"# " + b"x" * 50_000_000,
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", BOMBS)
def test_a_file_made_to_take_all_time_and_memory_is_refused(name: str) -> None:
    assert isinstance(outcome(BOMBS[name]), str)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no endless file")
def test_a_file_without_end_is_refused() -> None:
    with pytest.raises(PolicyError, match="larger than"):
        load.read("/dev/zero")


def test_fifty_megabytes_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "exam.toml"
    path.write_bytes(PRESETS[0].encode() + b"#" * 50_000_000)
    with pytest.raises(PolicyError, match="larger than 256 kB"):
        load.read(str(path))


@quick
@given(st.binary(max_size=400) | st.text(max_size=300).map(lambda t: t.encode("utf-8", "replace")))
def test_noise_is_no_policy(raw: bytes) -> None:
    assert isinstance(outcome(raw), str)


# Pieces of TOML that parsers have stumbled over, put into real policies.
PIECES = [
    "nan", "-inf", "1e999", "0x7fffffffffffffffffff", "1_000", "9" * 5000, "true", "''", '""',
    '"""', "'''", "[", "]", "[[", "{", "}", "=", ".", "#", "\n", "\r", "\r\n", "\t", "\0", "\ufeff",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1979-05-27", "07:32:00",
    '"\\u0000"', '"\\ud800"', '"\\U0010ffff"', '"\\u202e"', "\u2028", "é", "е", "😀",
    "[rules]", '[rules."face.absent"]', "[clips]", "[detectors.gaze.settings]", "a.b.c = 1",
    "rules = 1", "purposes.camera = {alternative = 'xxxxxxxxxxxxxxx'}", "x = [1, 'a', {b = 2}]",
]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real policy with stretches of it replaced, doubled or taken out."""
    text = draw(st.sampled_from(PRESETS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 0, 1, 3, 10, 60, 500])))
        piece = draw(st.sampled_from([*PIECES, text[start:end] * 2, ""]))
        text = text[:start] + piece + text[end:]
    return text.encode("utf-8", "surrogatepass")


@quick
@given(damaged())
def test_a_damaged_policy_is_a_policy_or_one_sentence(raw: bytes) -> None:
    outcome(raw)


@quick
@given(damaged(), st.sampled_from(["version", "clips.max_s", 'rules."face.absent".on', "dpia"]))
def test_editing_a_damaged_policy_gives_a_policy_or_one_sentence(raw: bytes, key: str) -> None:
    text = raw.decode("utf-8", "replace")
    try:
        edited = edit.set_value(text, key, "x" if key == "dpia" else 1)
    except PolicyError as error:
        edited, sentence = "", str(error)
    if edited:
        assert isinstance(outcome(edited.encode()), Policy)
    else:
        assert sentence.isprintable()


@quick
@given(damaged() | st.binary(max_size=200))
def test_what_is_no_root_file_is_one_sentence(raw: bytes) -> None:
    with pytest.raises(PolicyError) as error:
        root.parse(raw, "root.toml")
    assert str(error.value).isprintable()


# Policies of every shape, for the way out and back in.

plain_text = st.text(
    st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn")), max_size=40
)
whole_days = st.integers(1, 30)
scalars = (
    st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
)
moments = st.datetimes(datetime(2000, 1, 2), datetime(2199, 12, 30)).map(
    lambda moment: moment.replace(tzinfo=UTC)
) | st.datetimes(datetime(2001, 1, 2), datetime(2198, 12, 30)).map(
    lambda moment: moment.replace(tzinfo=timezone(timedelta(hours=5, minutes=30)))
)
names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,12}", fullmatch=True)
kinds = st.from_regex(r"[a-z]{1,6}(\.[a-z_]{1,6}){1,2}", fullmatch=True)
seconds = st.floats(0.0, 60.0)


@st.composite
def rule(draw: st.DrawFn) -> dict[str, Any]:
    off, on = sorted(draw(st.tuples(st.floats(0, 1), st.floats(0, 1))))
    return {"on": on, "off": off, "min_s": draw(seconds), "gap_s": draw(seconds)}


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    optional = st.sets(st.sampled_from(["microphone", "clips", "identity", "research"]))
    purposes = {
        name: {"alternative": "Ten letters and " + draw(plain_text)}
        for name in {"camera", *draw(optional)}
    }
    document: dict[str, Any] = {
        "version": draw(st.integers(1, 1_000_000)),
        "id": draw(names),
        "institution": "I" + draw(plain_text),
        "exam": "E" + draw(plain_text),
        "contact": "you" + draw(plain_text),
        "stakes": draw(st.sampled_from(["practice", "low", "high"])),
        "dpia": draw(plain_text),
        "languages": tuple(
            draw(st.lists(st.sampled_from(["en", "de", "fr"]), min_size=1, unique=True))
        ),
        "expires": draw(st.none() | moments),
        "purposes": purposes,
        "detectors": draw(
            st.dictionaries(
                names,
                st.fixed_dictionaries(
                    {"required": st.booleans()},
                    optional={
                        "settings": st.dictionaries(
                            st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True),
                            scalars | st.lists(scalars, max_size=4),
                            max_size=4,
                        )
                    },
                ),
                min_size=1,
                max_size=4,
            )
        ),
        "rules": draw(st.dictionaries(kinds, rule(), min_size=1, max_size=5)),
        "retention": {
            "clips_days": draw(whole_days),
            "research_days": draw(whole_days) if "research" in purposes else 0,
        },
        "breaks": {"planned_at_minutes": tuple(draw(st.lists(st.floats(0, 1440), max_size=3)))},
    }
    if draw(st.booleans()):
        text = "Ten letters and " + draw(plain_text)
        document["room_scan"] = {
            "mode": "offered", "reason": text, "alternative": text, "notice_hours": 24,
        }  # fmt: skip
        purposes["room_scan"] = {"alternative": text}
    return Policy.model_validate(document)


@thorough
@given(policies())
def test_what_is_written_out_is_read_in_again_the_same(policy: Policy) -> None:
    text = edit.dump(policy)
    assert load.parse(text.encode(), "exam.toml") == policy
    assert edit.dump(load.parse(text.encode(), "exam.toml")) == text
    assert load.parse(edit.dump_commented(policy, "Heading").encode(), "exam.toml") == policy


@thorough
@given(policies(), policies())
def test_a_value_can_be_set_in_whatever_was_written_out(policy: Policy, other: Policy) -> None:
    text = edit.dump_commented(policy, "Heading")
    edited = edit.set_values(
        text, {"institution": other.institution, "version": other.version, "dpia": other.dpia}
    )
    expected = policy.model_copy(
        update={"institution": other.institution, "version": other.version, "dpia": other.dpia}
    )
    assert load.parse(edited.encode(), "exam.toml") == expected
    assert [line for line in edited.splitlines() if line.startswith("#")] == [
        line for line in text.splitlines() if line.startswith("#")
    ]
