"""The sections of a notice, one function each, in the order in which a student reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from policies.consent import question
from policies.schema import Policy, RuleSettings
from policies.texts import Plural, Texts, mark
from policies.texts.notice import Item
from policies.texts.numbers import Parts, foreign_titles, kind_title, numbers
from policies.texts.words import (
    BASES,
    FOREIGN_AT_ONCE,
    FOREIGN_LASTING,
    KINDS,
    PLACES,
    STAKES,
    STATEMENTS,
    short_key,
)


def who(t: Texts, policy: Policy, parts: Parts) -> Iterator[Item]:
    """Who asks, for what, and under which rules."""
    yield Item(
        t.say(
            "We are {institution}. We use this program for your exam: {exam}.",
            institution=policy.institution,
            exam=policy.exam,
        )
    )
    yield Item(t.say("Do you have a question? Ask us:"), policy.contact)
    yield Item(t.say(STAKES[policy.stakes]))
    if policy.dpia:
        yield Item(
            t.say("We looked at the risks for you and wrote them down. Ask us for this paper:"),
            policy.dpia,
        )
    if policy.jurisdictions:
        places = t.listed([t.say(PLACES[name]) for name in policy.jurisdictions])
        yield Item(t.say("The laws of these places count: {places}.", places=places))
    if policy.not_before:
        yield Item(t.say("These rules start on {date}.", date=policy.not_before))
    if policy.expires:
        yield Item(t.say("These rules end on {date}.", date=policy.expires))


def sensors(t: Texts, policy: Policy, parts: Parts) -> Iterator[Item]:
    """What is switched on, and what is not."""
    if "camera" in policy.purposes:
        yield Item(
            t.say(
                "Your camera is on in the exam, unless you say no. The program looks at the picture."
            )
        )
    else:
        yield Item(t.say("Your camera stays off."))
    if "microphone" in policy.purposes:
        yield Item(
            t.say("Your microphone is on in the exam, unless you say no. The program listens.")
        )
    else:
        yield Item(t.say("Your microphone stays off."))
    yield Item(t.say("Nothing is switched on before you have seen this page and answered."))
    yield Item(t.say("The program does not read your screen, your files or what you type."))
    if policy.exam_page.origin:
        yield Item(
            t.say("This web page tells the program when a question comes and when you answer it:"),
            policy.exam_page.origin,
        )


def choices(t: Texts, policy: Policy, parts: Parts) -> Iterator[Item]:
    """One purpose, one question; and what comes instead of each."""
    for name, purpose in policy.purposes.items():
        if purpose.basis == "consent":
            instead = Item(t.say("If you say no, you get this instead:"), purpose.alternative)
            yield Item(question(name, t.lang), points=(instead,))
        else:
            instead = Item(t.say("If you object, you get this instead:"), purpose.alternative)
            why = Item(t.say(BASES[purpose.basis]))
            yield Item(t.say(STATEMENTS[name]), points=(why, instead))
    yield Item(t.say("You answer each question by itself. No answer is filled in for you."))
    yield Item(t.say("You can say no and still take your exam."))
    yield Item(t.say("No note is made of a no. The people who look at your notes do not see it."))
    yield Item(t.say("You can change your mind at any time in the exam. It then stops at once."))
    yield Item(t.say("What nobody has looked at by then is erased."))


def signals(t: Texts, policy: Policy, parts: Parts) -> Iterator[Item]:
    """Every kind that can become a note, with how long it must last."""
    titles = foreign_titles(parts)
    points = [_signal(t, kind, rule, titles.get(kind, kind)) for kind, rule in policy.rules.items()]
    yield Item(
        t.say("The program makes a note when one of these things happens:"), points=tuple(points)
    )
    for part in parts.values():
        for kind in part.kinds:
            if kind not in policy.rules:
                title = kind_title(t, kind, parts)
                yield Item(
                    t.say("This gets a score, but no note is made of it: “{title}”.", title=title)
                )
    yield Item(t.say("A note is a question to a person. It does not say that you did wrong."))
    yield Item(t.say("The program never guesses what you feel, what you think or why you act."))
    yield Item(t.say("If the program cannot tell, it says so. This does not count against you."))


def _signal(t: Texts, kind: str, rule: RuleSettings, title: str) -> Item:
    words = KINDS.get(kind)
    if words is None:
        text = t.count(FOREIGN_LASTING, rule.min_s) if rule.min_s else t.say(FOREIGN_AT_ONCE)
        return Item(text, title)
    return Item(t.count(words.lasting, rule.min_s) if rule.min_s else t.say(words.at_once))


def people(t: Texts, policy: Policy, parts: Parts) -> Iterator[Item]:
    """That a human decides, and how (rules O1 to O4)."""
    review = policy.review
    yield Item(t.say("A person decides. The program never does."))
    yield Item(t.say("The program cannot stop your exam, hand it in, grade it or punish you."))
    yield Item(t.say("No number compares you with others."))
    yield Item(t.say("At first, the person who looks at a note does not see your name."))
    if review.second_reviewer:
        yield Item(t.say("A decision against you needs a second person."))
    else:
        yield Item(t.say("One person alone can decide."))
    yield Item(
        t.count(
            Plural(
                "Before a decision against you, you have {n} day to tell your side.",
                "Before a decision against you, you have {n} days to tell your side.",
            ),
            review.comment_days,
        )
    )
    if policy.show_flags == "live":
        yield Item(t.say("You see each note as soon as it is made."))
    else:
        yield Item(t.say("You see all notes when the exam ends."))


def kept(t: Texts, policy: Policy, parts: Parts) -> Iterator[Item]:
    """What is kept, and what is not."""
    purposes = policy.purposes
    if "clips" in purposes:
        yield _clip(t, policy)
    else:
        yield Item(t.say("No picture and no sound is kept. A note is only a sentence."))
    yield Item(
        t.say(
            "All other pictures and sounds stay in memory for a short time. They are never saved."
        )
    )
    yield Item(t.say("A log is kept. It says when things were seen or heard, and your answers."))
    yield Item(t.say("The log holds no pictures and no sound."))
    if "identity" in purposes:
        if "speaker" in policy.detectors:
            yield Item(t.say("Your voice is compared with the one at the start of the exam."))
        if "identity" in policy.detectors or "speaker" not in policy.detectors:
            yield Item(t.say("Your face is compared with the one at the start of the exam."))
    if "identity_retention" in purposes:
        yield Item(t.say("The data of this check is kept for a time, unless you say no."))
    else:
        yield Item(t.say("No face print and no voice print is kept."))
    if "research" in purposes:
        yield Item(
            t.say("Locked copies of noted moments are kept for research, unless you say no.")
        )


def _clip(t: Texts, policy: Policy) -> Item:
    clips = policy.clips
    lengths = (
        (CLIP_BEFORE, clips.pre_roll_s),
        (CLIP_AFTER, clips.post_roll_s),
        (CLIP_LONGEST, clips.max_s),
    )
    points = [Item(t.count(plural, seconds)) for plural, seconds in lengths]
    points.append(Item(t.say("The clip is locked at once.")))
    if {"camera", "microphone"} <= set(policy.purposes):
        text = t.say("For each note, a short clip with picture and sound is kept.")
    elif "camera" in policy.purposes:
        text = t.say("For each note, a short clip with picture and no sound is kept.")
    else:
        text = t.say("For each note, a short clip with sound and no picture is kept.")
    return Item(text, points=tuple(points))


CLIP_BEFORE = Plural(
    "It starts {n} second before what was noted.", "It starts {n} seconds before what was noted."
)
CLIP_AFTER = Plural("It ends {n} second after it.", "It ends {n} seconds after it.")
CLIP_LONGEST = Plural("No clip is longer than {n} second.", "No clip is longer than {n} seconds.")


def access(t: Texts, policy: Policy, parts: Parts) -> Iterator[Item]:
    """Who can open what is locked."""
    if policy.hub:
        yield Item(
            t.say("Notes and locked clips are sent to this address, and to no other:"), policy.hub
        )
    else:
        yield Item(t.say("The program sends nothing. What is kept stays on your computer."))
    if "clips" in policy.purposes:
        if policy.recipients:
            yield Item(
                t.count(
                    Plural(
                        "{n} key can open your clips. It looks like this: {keys}.",
                        "{n} keys can open your clips. They look like this: {keys}.",
                    ),
                    len(policy.recipients),
                    keys=t.listed([short_key(key) for key in policy.recipients]),
                )
            )
        else:
            yield Item(t.say("The keys for your clips are set when the exam starts."))
        if policy.escrow.recipient:
            yield Item(
                t.say(
                    "There is a spare key: {key}. {n} of {all} people must act together to use it.",
                    key=short_key(policy.escrow.recipient),
                    n=policy.escrow.threshold,
                    all=len(policy.escrow.holders),
                )
            )
        if policy.student_copy:
            yield Item(
                t.say(
                    "You can have a key of your own to your clips. You choose it before the exam."
                )
            )
        yield Item(t.say("A clip can only be opened with such a key."))
        yield Item(t.say("You can see who opened your clips, and when."))
    else:
        yield Item(t.say("There are no clips, so nobody can watch you later."))
    yield Item(t.say("The people who look at your notes can read them and the log."))
    if "research" in policy.purposes:
        yield Item(t.say("Researchers can open the copies for research, unless you say no."))


def times(t: Texts, policy: Policy, parts: Parts) -> Iterator[Item]:
    """How long each class of data is kept."""
    kept_for, purposes = policy.retention, policy.purposes
    if "clips" in purposes:
        yield Item(t.count(KEPT["clips"], kept_for.clips_days))
    if "room_scan" in purposes:
        yield Item(t.count(KEPT["room_scan"], kept_for.room_scan_days))
    if "identity_retention" in purposes and kept_for.identity_days:
        yield Item(t.count(KEPT["identity"], kept_for.identity_days))
    elif "identity" in purposes:
        yield Item(t.say("The data of the identity check goes when the exam is closed."))
    if "research" in purposes:
        yield Item(t.count(KEPT["research"], kept_for.research_days))
    yield Item(t.count(KEPT["journal"], kept_for.journal_days))
    yield Item(t.count(KEPT["decisions"], kept_for.decisions_days))
    yield Item(
        t.count(
            Plural(
                "A note that nobody has looked at after {n} day is dropped. Its clip is erased.",
                "A note that nobody has looked at after {n} days is dropped. Its clip is erased.",
            ),
            policy.review.window_days,
        )
    )
    yield Item(t.say("Then the data is erased, and we tell you."))
    yield Item(t.say("To keep it longer, two people must sign a reason and an end date."))


KEPT: Mapping[str, Plural] = {
    "clips": Plural("We keep clips for {n} day.", "We keep clips for {n} days."),
    "room_scan": Plural(
        "We keep the film of your room for {n} day.", "We keep the film of your room for {n} days."
    ),
    "identity": Plural(
        "We keep the data of the identity check for {n} day.",
        "We keep the data of the identity check for {n} days.",
    ),
    "research": Plural(
        "We keep copies for research for {n} day.", "We keep copies for research for {n} days."
    ),
    "journal": Plural("We keep the log for {n} day.", "We keep the log for {n} days."),
    "decisions": Plural(
        "We keep what people decided for {n} day.", "We keep what people decided for {n} days."
    ),
}


def breaks(t: Texts, policy: Policy, parts: Parts) -> Iterator[Item]:
    """When capture may be stopped (rule A2)."""
    rules = policy.breaks
    if rules.mode == "off":
        yield Item(t.say("There are no breaks in this exam. If you need one, ask us before it."))
        return
    if rules.mode == "planned":
        yield Item(t.say("There are breaks at set times."))
        if rules.planned_at_minutes:
            minutes = t.listed([t.number(minute) for minute in rules.planned_at_minutes])
            yield Item(
                t.say("They start this many minutes into the exam: {minutes}.", minutes=minutes)
            )
    else:
        yield Item(t.say("You can take a break when you need one."))
    yield Item(t.count(MOST_BREAKS, rules.max_count))
    yield Item(t.count(LONGEST_BREAK, rules.max_minutes))
    yield Item(t.say("In a break, the camera and the microphone are off."))
    yield Item(t.say("A break is fine. No note is made of it."))


MOST_BREAKS = Plural("You can take {n} break.", "You can take {n} breaks.")
LONGEST_BREAK = Plural("A break lasts {n} minute at most.", "A break lasts {n} minutes at most.")


def room_scan(t: Texts, policy: Policy, parts: Parts) -> Iterator[Item]:
    """Whether the room may be filmed (rules R1 to R4)."""
    scan = policy.room_scan
    if scan.mode == "off":
        yield Item(t.say("Your room is never scanned."))
        return
    yield Item(t.say("We may ask if you want to film your room once. You can say no."))
    yield Item(t.say("This is why we ask:"), scan.reason)
    yield Item(t.say("If you say no to the room scan, you get this instead:"), scan.alternative)
    yield Item(
        t.count(
            Plural(
                "You get this notice at least {n} hour before the exam.",
                "You get this notice at least {n} hours before the exam.",
            ),
            scan.notice_hours,
        )
    )
    yield Item(
        t.count(
            Plural("The film lasts {n} second at most.", "The film lasts {n} seconds at most."),
            scan.max_s,
        )
    )
    yield Item(t.say("We ask you again right before it. A yes from before is not enough."))
    yield Item(t.say("You can watch the film first, make it again and blur parts of it."))
    yield Item(t.say("Only a named person with a written reason can ask for a second film."))
    if scan.recipients:
        yield Item(
            t.count(
                Plural(
                    "{n} key can open the film of your room. It looks like this: {keys}.",
                    "{n} keys can open the film of your room. They look like this: {keys}.",
                ),
                len(scan.recipients),
                keys=t.listed([short_key(key) for key in scan.recipients]),
            )
        )
    else:
        yield Item(t.say("The keys for the film of your room are set when the exam starts."))


def support(t: Texts, policy: Policy, parts: Parts) -> Iterator[Item]:
    """What can be arranged for one student (rule A1), and who may sit the exam (rule C6)."""
    yield Item(t.say("Do you use a screen reader, speak aloud, move a lot or need more breaks?"))
    yield Item(t.say("Tell us before the exam. We can switch parts off or change them for you."))
    yield Item(t.say("The people who look at your notes do not learn why."))
    if policy.min_age < 18:
        yield Item(
            t.say(
                "You must be {age} or older. Under 18, a parent or guardian must say yes too.",
                age=policy.min_age,
            )
        )
    else:
        yield Item(t.say("You must be {age} or older for this exam.", age=policy.min_age))


def rights(t: Texts, policy: Policy, parts: Parts) -> Iterator[Item]:
    """What a student can ask for (GDPR 12-22 and 77, AI Act 86; FERPA in the United States)."""
    for sentence in RIGHTS:
        yield Item(t.say(sentence))
    if any(place.startswith("US") for place in policy.jurisdictions):
        yield Item(
            t.say("In the United States, you can also write to the Department of Education.")
        )


RIGHTS = (
    mark("You can take back a yes at any time. It is as easy as giving it."),
    mark("You can object to what we do with your data."),
    mark("You can see all notes, clips and decisions about you, and take a copy."),
    mark("You can ask us to correct or erase data about you."),
    mark("You can ask a person to explain a decision to you."),
    mark("You can ask us to look at a decision again."),
    mark("You can complain to us, or to the office that guards privacy where you live."),
)


SECTIONS = (
    ("who", mark("Who asks you"), who),
    ("sensors", mark("What is switched on"), sensors),
    ("choices", mark("Your choice"), choices),
    ("signals", mark("What the program looks for"), signals),
    ("people", mark("Who decides"), people),
    ("kept", mark("What is kept"), kept),
    ("access", mark("Who can open it"), access),
    ("times", mark("How long it is kept"), times),
    ("breaks", mark("Breaks"), breaks),
    ("room_scan", mark("Your room"), room_scan),
    ("support", mark("If you need something else"), support),
    ("rights", mark("Your rights"), rights),
    ("numbers", mark("The exact numbers"), numbers),
)
