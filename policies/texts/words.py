"""Plain words for what a policy names: detectors, kinds, purposes, places, settings.

A kind that is not here (of a plug-in that is not ours) is shown by the plug-in's own title.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from policies.schema import Jurisdiction, PurposeName
from policies.texts import Plural, mark


class KindWords(NamedTuple):
    """One kind: its name as a label, and when a note is made of it."""

    title: str
    lasting: Plural
    at_once: str


KINDS: Mapping[str, KindWords] = {
    "face.absent": KindWords(
        mark("No face in view"),
        Plural(
            "No face is in view for {n} second or more.",
            "No face is in view for {n} seconds or more.",
        ),
        mark("No face is in view."),
    ),
    "face.several": KindWords(
        mark("More than one face"),
        Plural(
            "More than one face is in view for {n} second or more.",
            "More than one face is in view for {n} seconds or more.",
        ),
        mark("More than one face is in view."),
    ),
    "face.covered": KindWords(
        mark("Face covered"),
        Plural(
            "A part of your face is hidden for {n} second or more.",
            "A part of your face is hidden for {n} seconds or more.",
        ),
        mark("A part of your face is hidden."),
    ),
    "face.other": KindWords(
        mark("Another face than at the start"),
        Plural(
            "Another face than the one at the start is in view for {n} second or more.",
            "Another face than the one at the start is in view for {n} seconds or more.",
        ),
        mark("Another face than the one at the start is in view."),
    ),
    "gaze.away": KindWords(
        mark("Looking away"),
        Plural(
            "You look away from the screen for {n} second or more.",
            "You look away from the screen for {n} seconds or more.",
        ),
        mark("You look away from the screen."),
    ),
    "gaze.down": KindWords(
        mark("Looking down"),
        Plural(
            "You look down, below the screen, for {n} second or more.",
            "You look down, below the screen, for {n} seconds or more.",
        ),
        mark("You look down, below the screen."),
    ),
    "gaze.away_before_answer": KindWords(
        mark("Looking away before an answer"),
        Plural(
            "You look away from the screen for much of the time before an answer, for {n} second or more.",
            "You look away from the screen for much of the time before an answer, for {n} seconds or more.",
        ),
        mark("You look away from the screen for much of the time before an answer."),
    ),
    "object.phone": KindWords(
        mark("Phone in view"),
        Plural(
            "A phone is in view for {n} second or more.",
            "A phone is in view for {n} seconds or more.",
        ),
        mark("A phone is in view."),
    ),
    "object.tablet": KindWords(
        mark("Tablet or second screen in view"),
        Plural(
            "A tablet or a second screen is in view for {n} second or more.",
            "A tablet or a second screen is in view for {n} seconds or more.",
        ),
        mark("A tablet or a second screen is in view."),
    ),
    "object.laptop": KindWords(
        mark("Laptop in view"),
        Plural(
            "A laptop is in view for {n} second or more.",
            "A laptop is in view for {n} seconds or more.",
        ),
        mark("A laptop is in view."),
    ),
    "object.book": KindWords(
        mark("Book in view"),
        Plural(
            "A book is in view for {n} second or more.",
            "A book is in view for {n} seconds or more.",
        ),
        mark("A book is in view."),
    ),
    "object.person": KindWords(
        mark("Another person in view"),
        Plural(
            "Another person is in view for {n} second or more.",
            "Another person is in view for {n} seconds or more.",
        ),
        mark("Another person is in view."),
    ),
    "light.dim": KindWords(
        mark("Too dark"),
        Plural(
            "The picture is too dark for {n} second or more.",
            "The picture is too dark for {n} seconds or more.",
        ),
        mark("The picture is too dark."),
    ),
    "light.glare": KindWords(
        mark("Blinding light"),
        Plural(
            "A bright light blinds the camera for {n} second or more.",
            "A bright light blinds the camera for {n} seconds or more.",
        ),
        mark("A bright light blinds the camera."),
    ),
    "light.backlit": KindWords(
        mark("Light from behind"),
        Plural(
            "Light from behind leaves you in the dark for {n} second or more.",
            "Light from behind leaves you in the dark for {n} seconds or more.",
        ),
        mark("Light from behind leaves you in the dark."),
    ),
    "camera.covered": KindWords(
        mark("Camera covered"),
        Plural(
            "The camera is covered for {n} second or more.",
            "The camera is covered for {n} seconds or more.",
        ),
        mark("The camera is covered."),
    ),
    "camera.frozen": KindWords(
        mark("Picture frozen"),
        Plural(
            "The camera picture stands still for {n} second or more.",
            "The camera picture stands still for {n} seconds or more.",
        ),
        mark("The camera picture stands still."),
    ),
    "camera.virtual": KindWords(
        mark("Pictures that no camera gives"),
        Plural(
            "The pictures are such as no camera gives for {n} second or more.",
            "The pictures are such as no camera gives for {n} seconds or more.",
        ),
        mark("The pictures are such as no camera gives."),
    ),
    "speech.voice": KindWords(
        mark("Talking"),
        Plural(
            "Somebody talks for {n} second or more.",
            "Somebody talks for {n} seconds or more.",
        ),
        mark("Somebody talks."),
    ),
    "speech.other_voice": KindWords(
        mark("Another voice"),
        Plural(
            "A voice other than yours is heard for {n} second or more.",
            "A voice other than yours is heard for {n} seconds or more.",
        ),
        mark("A voice other than yours is heard."),
    ),
    "speech.wake_phrase": KindWords(
        mark("Call to a voice assistant"),
        Plural(
            "Somebody calls a voice assistant for {n} second or more.",
            "Somebody calls a voice assistant for {n} seconds or more.",
        ),
        mark("Somebody calls a voice assistant, such as the one in a phone."),
    ),
}

# A kind of a plug-in that is not ours; its title follows as a quotation.
FOREIGN_LASTING = Plural(
    "An added part makes a note after {n} second. These are its own words, in its own language:",
    "An added part makes a note after {n} seconds. These are its own words, in its own language:",
)
FOREIGN_AT_ONCE = mark(
    "An added part makes a note at once. These are its own words, in its own language:"
)

DETECTORS: Mapping[str, str] = {
    "faces": mark("Faces"),
    "gaze": mark("Where you look"),
    "identity": mark("Whether it is still you"),
    "objects": mark("Things and people in view"),
    "lighting": mark("Light"),
    "camera": mark("The camera itself"),
    "speech": mark("Talking"),
    "wake": mark("Calls to a voice assistant"),
    "speaker": mark("Whose voice it is"),
}

# How a number in a plug-in's settings is shown: as it is, or as a share of a hundred.
SETTINGS: Mapping[tuple[str, str], tuple[str, bool]] = {
    ("faces", "smallest_face"): (
        mark("A second face counts if it is at least {value}% as wide as the picture."),
        True,
    ),
    ("faces", "dark_below"): (
        mark("If the picture is darker than {value} of 255, the program says that it cannot tell."),
        False,
    ),
    ("identity", "same_from"): (
        mark("Your face counts as yours when it is at least {value}% like the one at the start."),
        True,
    ),
    ("gaze", "away_degrees"): (
        mark("A look to the side counts from about {value} degrees."),
        False,
    ),
    ("gaze", "up_degrees"): (mark("A look up counts from about {value} degrees."), False),
    ("gaze", "down_degrees"): (mark("A look down counts from about {value} degrees."), False),
    ("gaze", "edge_degrees"): (
        mark("Once it is known where your screen ends, a look counts {value} degrees beyond."),
        False,
    ),
    ("gaze", "left_screen_degrees"): (
        mark("A second screen may stand to your left. Looks up to {value} degrees do not count."),
        False,
    ),
    ("gaze", "right_screen_degrees"): (
        mark("A second screen may stand to your right. Looks up to {value} degrees do not count."),
        False,
    ),
    ("gaze", "upper_screen_degrees"): (
        mark("A second screen may stand above yours. Looks up to {value} degrees do not count."),
        False,
    ),
    ("gaze", "answer_s"): (
        mark("From each answer, the program looks back at most {value} seconds."),
        False,
    ),
    ("objects", "smallest_screen"): (
        mark("A screen counts if it fills at least {value}% of the picture."),
        True,
    ),
    ("objects", "smallest_book"): (
        mark("A book counts if it fills at least {value}% of the picture."),
        True,
    ),
    ("objects", "smallest_person"): (
        mark("Another person counts if they fill at least {value}% of the picture."),
        True,
    ),
    ("objects", "room_s"): (
        mark("Screens that stand still in the first {value} s are part of your room."),
        False,
    ),
    ("lighting", "room_s"): (
        mark("The light in the first {value} s counts as your usual light."),
        False,
    ),
    ("wake", "phrases"): (mark("The program listens for these words: {value}."), False),
}

# Shown where the legal basis is not consent, in place of a question.
STATEMENTS: Mapping[PurposeName, str] = {
    "camera": mark("This exam uses your camera."),
    "microphone": mark("This exam uses your microphone."),
    "clips": mark("Short clips of noted moments are kept and locked."),
    "identity": mark("This computer compares your face or voice with those at the start."),
    "room_scan": mark("A film of your room can be made and locked."),
    "identity_retention": mark("The data of the identity check is kept for a time."),
    "research": mark("Researchers use locked copies of noted moments."),
}

BASES: Mapping[str, str] = {
    "consent": mark("We only do this if you say yes."),
    "public_task": mark("The law gives us this task, so we do not ask for a yes."),
    "contract": mark("Our contract with you covers this, so we do not ask for a yes."),
    "legitimate_interest": mark(
        "We have a good reason and weighed it against your rights, so we do not ask for a yes."
    ),
}

PURPOSES: Mapping[PurposeName, str] = {
    "camera": mark("Camera"),
    "microphone": mark("Microphone"),
    "clips": mark("Short clips"),
    "identity": mark("Identity check"),
    "room_scan": mark("Room scan"),
    "identity_retention": mark("Keeping the identity check"),
    "research": mark("Research"),
}

PLACES: Mapping[Jurisdiction, str] = {
    "EU": mark("European Union"),
    "GB": mark("United Kingdom"),
    "US": mark("United States"),
    "US-IL": mark("Illinois"),
    "US-CA": mark("California"),
    "CA": mark("Canada"),
    "AU": mark("Australia"),
}

LANGUAGE_NAMES: Mapping[str, str] = {
    "en": mark("English"),
    "de": mark("German"),
    "fr": mark("French"),
    "es": mark("Spanish"),
    "nl": mark("Dutch"),
}

STAKES: Mapping[str, str] = {
    "practice": mark("This is a practice exam. It does not count."),
    "low": mark("This exam counts a little."),
    "high": mark("This exam counts a lot."),
}


def short_key(key: str) -> str:
    """A public key cut to what two people compare on the phone: its first and last characters."""
    return key if len(key) <= 24 else f"{key[:12]}…{key[-6:]}"


# What is typed in a terminal to answer a question; the first letter will do.
ACCEPT, DECLINE = mark("accept"), mark("decline")
WHICH = mark("{accept} or {decline}?")
PLEASE = mark("Please type {accept} or {decline}.")
