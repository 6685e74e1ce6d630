"""Signed looks at a flag, and what they come to by the policy's rules (decision 0029, rule O3)."""

from __future__ import annotations

import itertools
import json
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import sign as dsse
from policies.schema import Review
from proctor.evidence import decision
from proctor.evidence.decision import Decision, DecisionError, Look, Standing, Verdict

ENDED = datetime(2026, 3, 9, 12, tzinfo=UTC)
REVIEW = Review(window_days=30, second_reviewer=True, comment_days=7)
ALONE = Review(window_days=30, second_reviewer=False, comment_days=7)
LATE = ENDED + timedelta(days=8)
PEOPLE = {
    name: Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)
    for n, name in enumerate(("Ada", "Ben", "Cleo"), start=1)
}


def look(
    who: str,
    verdict: Verdict | None,
    when: datetime = ENDED,
    which: Look = "first",
    withdraws: str = "",
    reason: str = "A book lies open.",
) -> Decision:
    """A statement of ``who``, signed and read again."""
    said = Decision("a" * 32, "f-1", "c" * 64, which, verdict, reason, who, when, withdraws)
    return decision.read(decision.sign(said, PEOPLE[who]))


def stand(*looks: Decision, review: Review = REVIEW, now: datetime = LATE) -> Standing:
    return decision.standing(looks, review, (), ENDED, now)


def no(new: Decision, *looks: Decision, review: Review = REVIEW, now: datetime = LATE) -> str:
    return decision.refusal(new, looks, review, (), ENDED, now)


def test_what_is_signed_is_read_again_with_its_key_and_its_number() -> None:
    said = Decision(
        "a" * 32, "f-1", "c" * 64, "first", "confirmed", "A book lies open.", "Ada", ENDED
    )
    raw = decision.sign(said, PEOPLE["Ada"])
    found = decision.read(raw)
    public = b64encode(PEOPLE["Ada"].public_key().public_bytes_raw()).decode()
    assert found == replace(said, key=public, id=found.id)
    assert len(found.id) == 64
    assert decision.read(raw, public) == found
    with pytest.raises(DecisionError, match="another key"):
        decision.read(raw, b64encode(bytes(32)).decode())


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"verdict": "guilty"}, "verdict is none of"),
        ({"verdict": None}, "verdict is none of"),
        ({"withdraws": "e" * 64}, "verdict is none of"),
        ({"reason": ""}, "needs a reason"),
        ({"reason": "two\nlines"}, "one plain line"),
        ({"who": ""}, "does not say who"),
        ({"who": "A\u202eda"}, "one plain line"),
        ({"look": "fourth"}, "look is none of"),
        ({"attempt": "../x"}, "no attempt"),
        ({"flag": "../x"}, "no flag"),
        ({"clip": "x"}, "digests"),
        ({"when": "2026-03-09T12:00:00"}, "time zone"),
        ({"when": 3}, "no text"),
        ({"more": "x"}, "exactly the fields"),
    ],
)
def test_a_statement_that_no_console_writes_is_refused(
    changed: dict[str, object], says: str
) -> None:
    payload = json.loads(dsse.inspect(decision.sign(look("Ada", "confirmed"), PEOPLE["Ada"]))[0])
    raw = dsse.envelope(
        json.dumps(payload | changed).encode(), decision.PAYLOAD_TYPE, [PEOPLE["Ada"]]
    )
    with pytest.raises(DecisionError, match=says):
        decision.read(raw)


def test_a_changed_or_foreign_envelope_is_refused() -> None:
    raw = decision.sign(look("Ada", "nothing_to_see"), PEOPLE["Ada"])
    document = json.loads(raw)
    turned = b64decode(document["payload"]).replace(b"nothing_to_see", b"cannot_tell")
    with pytest.raises(DecisionError, match="does not count"):
        decision.read(json.dumps(document | {"payload": b64encode(turned).decode()}).encode())
    with pytest.raises(DecisionError, match="does not count"):
        decision.read(
            dsse.envelope(b64decode(document["payload"]), decision.PAYLOAD_TYPE, [PEOPLE["Ben"]])
        )
    with pytest.raises(DecisionError, match="no decision"):
        decision.read(dsse.envelope(b"{}", "text/plain", [PEOPLE["Ada"]]))
    with pytest.raises(DecisionError, match="larger"):
        decision.read(raw + b" " * decision.MAX_BYTES)


@given(st.binary(max_size=300))
@settings(max_examples=50, deadline=None)
def test_noise_is_refused_in_a_sentence(raw: bytes) -> None:
    with pytest.raises(DecisionError):
        decision.read(raw)


def test_a_look_that_is_not_adverse_closes_the_flag_at_once() -> None:
    assert stand().state == "waiting"
    for verdict in ("nothing_to_see", "cannot_tell", "please_discuss"):
        assert stand(look("Ada", verdict), now=ENDED) == Standing(
            "done", verdict, counted=(look("Ada", verdict),)
        )


def test_nothing_adverse_stands_before_the_student_could_comment() -> None:
    first = look("Ada", "confirmed", ENDED + timedelta(hours=1))
    soon = ENDED + timedelta(days=6, hours=23)
    assert stand(first, now=soon).state == "may_comment"
    assert stand(first, now=soon).until == ENDED + timedelta(days=7)
    assert "can still comment" in no(look("Ben", "confirmed", soon, "second"), first, now=soon)
    # An adverse second look that somebody forced in all the same counts for nothing, ever.
    forced = look("Ben", "confirmed", soon, "second")
    assert stand(first, forced, now=soon).state == "may_comment"
    assert stand(first, forced).state == "second"
    # With a comment there, or after the days, another person looks.
    assert stand(first).state == "second"
    heard = decision.standing([first], REVIEW, [ENDED + timedelta(hours=2)], ENDED, soon)
    assert heard.state == "second"
    # While the exam runs nobody can comment, and nothing adverse comes to an end.
    assert decision.standing([first], REVIEW, (), None, LATE).state == "may_comment"


def test_where_one_person_decides_they_look_again_after_the_comment() -> None:
    early = look("Ada", "confirmed", ENDED + timedelta(hours=1))
    assert stand(early, review=ALONE).state == "looked"
    again = look("Ada", "confirmed", LATE, "second")
    assert not no(again, early, review=ALONE)
    assert stand(early, again, review=ALONE).verdict == "confirmed"
    mind = look("Ada", "nothing_to_see", LATE, "second")
    assert stand(early, mind, review=ALONE).verdict == "nothing_to_see"
    late = look("Ada", "confirmed", LATE)
    assert stand(late, review=ALONE).state == "done"


def test_two_people_agree_or_a_third_decides() -> None:
    first = look("Ada", "confirmed")
    yes = look("Ben", "confirmed", LATE, "second")
    assert stand(first, yes).verdict == "confirmed"
    other = look("Ben", "nothing_to_see", LATE, "second")
    assert stand(first, other) == Standing("disagreed", look="third", counted=(first, other))
    assert "another person's" in no(look("Ada", "confirmed", LATE, "third"), first, other)
    for verdict in decision.VERDICTS:
        third = look("Cleo", verdict, LATE + timedelta(hours=1), "third")
        assert not no(third, first, other)
        assert stand(first, other, third, now=third.when).verdict == verdict


def test_a_second_person_has_a_key_and_a_name_of_their_own() -> None:
    first = look("Ada", "confirmed")
    assert "another person's" in no(look("Ada", "confirmed", LATE, "second"), first)
    for who, key in ((" ADA ", "Ben"), ("Ben", "Ada")):
        said = replace(look("Ada", "confirmed", LATE, "second"), who=" ".join(who.split()))
        posing = decision.read(decision.sign(said, PEOPLE[key]))
        assert "another person's" in no(posing, first)
        assert stand(first, posing).state == "second"
    assert not no(look("Ben", "confirmed", LATE, "second"), first)


def test_the_look_is_called_what_it_is_and_a_decided_flag_stays_so() -> None:
    assert "waits for another look" in no(look("Ada", "confirmed", which="second"))
    assert "is decided" in no(look("Ben", "nothing_to_see"), look("Ada", "nothing_to_see"))
    bare = replace(look("Ada", "please_discuss"), reason="")
    assert "needs a reason" in no(bare)
    assert not no(replace(look("Ada", "nothing_to_see"), reason=""))


def test_taking_back_leaves_both_statements_and_opens_the_flag_again() -> None:
    slip = look("Ada", "nothing_to_see")
    soon, late = ENDED + timedelta(minutes=9), ENDED + timedelta(minutes=11)
    back = look("Ada", None, soon, withdraws=slip.id)
    assert not no(back, slip, now=soon)
    assert stand(slip, back).state == "waiting"
    assert "for 10 minutes" in no(back, slip, now=late)
    assert "no such statement" in no(back, slip, back, now=soon)
    stranger = look("Ben", None, soon, withdraws=slip.id)
    assert "Only whoever signed" in no(stranger, slip, now=soon)
    assert stand(slip, stranger).state == "done"
    # One that was forced in past the console, after the ten minutes, counts for nothing either.
    assert stand(slip, look("Ada", None, late, withdraws=slip.id)).state == "done"
    # What is adverse can be taken back at any time: that only helps the student.
    hard = look("Ada", "confirmed")
    assert not no(look("Ada", None, LATE, withdraws=hard.id), hard)


def test_nobody_sees_anothers_look_before_their_own_and_knowing_it_shows() -> None:
    first = look("Ada", "confirmed")
    own = look("Ben", "nothing_to_see", LATE, "second")
    assert decision.visible([first], own.key) == []
    assert decision.visible([first, own], own.key) == [first, own]
    back = look("Ben", None, LATE + timedelta(minutes=1), withdraws=own.id)
    assert decision.visible([first, own, back], own.key) == [own, back]
    again = look("Ben", "confirmed", LATE + timedelta(minutes=2), "second")
    assert not decision.knew(own, [first, own])
    assert decision.knew(again, [first, own, back, again])


@pytest.mark.parametrize("review", [REVIEW, ALONE])
def test_an_adverse_end_always_rests_on_looks_from_after_the_student_was_heard(
    review: Review,
) -> None:
    """Every order of up to three looks at two moments: no way round the comment or the second person."""
    heard = ENDED + timedelta(days=7)
    moments = (ENDED + timedelta(days=1), LATE)
    verdicts: tuple[Verdict, ...] = ("confirmed", "nothing_to_see")
    each = [
        look(who, verdict, when)
        for who, verdict, when in itertools.product(PEOPLE, verdicts, moments)
    ]
    adverse = 0
    for count in (1, 2, 3):
        for looks in itertools.combinations(each, count):
            end = stand(*looks, review=review)
            if end.verdict != "confirmed":
                continue
            adverse += 1
            yes = {d.who for d in looks if d.verdict == "confirmed"}
            assert any(d.when >= heard for d in looks if d.verdict == "confirmed")
            assert len(yes) >= (2 if review.second_reviewer else 1)
    assert adverse
