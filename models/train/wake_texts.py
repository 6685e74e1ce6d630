"""What the synthetic voices say when the wake-phrase heads are trained: phrases, near-misses, talk."""

from __future__ import annotations

import numpy as np

# Each head and the wordings it answers to. The first wording names the head.
PHRASES: dict[str, tuple[str, ...]] = {
    "hey siri": ("hey siri",),
    "ok google": ("ok google", "okay google"),
    "hey google": ("hey google",),
    "alexa": ("alexa",),
    "hey cortana": ("hey cortana",),
    "hey bixby": ("hey bixby", "hi bixby"),
    "hey copilot": ("hey copilot",),
}

# Rule-based synthesisers do not know every name; these spellings make them say it as people do.
RESPELLED: dict[str, tuple[str, ...]] = {
    "siri": ("siri", "seery", "sirry"),
    "google": ("google", "googel"),
    "alexa": ("alexa", "alexa", "a lexa", "uh lexa"),
    "cortana": ("cortana", "cor tanna", "cor tahna"),
    "bixby": ("bixby", "bix bee", "bixbee"),
    "copilot": ("copilot", "co-pilot", "co pilot"),
}

# The same names as phonemes (misaki's alphabet: A = "ay" in day, O = "o" in go, I = "i" in time).
PRONOUNCED: dict[str, tuple[str, ...]] = {
    "hey": ("hˈA", "hˌA", "hA"),
    "hi": ("hˈI", "hˌI"),
    "ok": ("ˌOkˈA", "OkˈA", "ˈOkA"),
    "okay": ("ˌOkˈA", "OkˈA", "ˈOkA"),
    "siri": ("sˈɪɹi", "sˈiɹi", "sˈɪəɹi"),
    "google": ("ɡˈuɡᵊl", "ɡˈuɡəl", "ɡˈuɡl"),
    "alexa": ("əlˈɛksə", "ɐlˈɛksə", "ælˈɛksə", "əlˈɛksɐ"),
    "cortana": ("kɔɹtˈænə", "kɔɹtˈɑnə", "kɔtˈɑnə"),
    "bixby": ("bˈɪksbi", "bˈɪksbˌi"),
    "copilot": ("kˈOpˌIlət", "kˈOpIlət", "kOpˈIlət"),
}

# Words and sayings that share sounds with a phrase and must not fire. "siri" alone and so on stand
# here because the heads answer to the whole phrase.
NEAR: tuple[str, ...] = (
    "siri", "hey", "hey there", "hey sarah", "hey sari", "hey series", "hey serious", "a series",
    "the series", "hey sorry", "hey cherry", "hey jerry", "hey harry", "hey mary", "hey silly",
    "hey city", "hey steady", "hey siberia", "seriously", "hey seriously", "syria", "in syria",
    "say siri", "a cereal", "hey cereal", "okay siri", "hey gary", "hey carry", "he is sorry",
    "hey see me", "hey zero", "play siri", "may sirens", "a theory", "hey theory", "hey dearie",
    "google", "okay", "ok", "okay googled it", "okay, googled it", "he googled it", "okay good",
    "okay go", "okay girl", "okay cool", "okay gargle", "okay goodbye", "okay gobble", "okay giggle",
    "okay doodle", "okay noodle", "okay poodle", "okay who will", "okay goal", "okay google doc",
    "google it", "i will google it", "the google search", "a google doc", "use google maps",
    "hey doodle", "hey noodle", "hey goggles", "hey girl", "hey good looking", "hey giggles",
    "hey good people", "they googled", "way too cool", "hey goo", "okay goo", "okay dude",
    "hey kugel", "hey bugle", "okay bugle", "say google", "may google", "hey goose", "hey ghoul",
    "alex", "alexis", "a lexus", "the lexus", "lexus", "electra", "elixir", "alexander", "alexandra",
    "a lexicon", "elected", "electric", "a taxi", "relax", "relaxer", "election", "select a", "lexi",
    "i let sam", "a lecture", "annexe", "annex a", "elects a", "an extra", "all extra", "complexer",
    "flex a", "reflex a", "ask alex", "texas", "in texas", "alexia", "alexei", "exa", "a large sir",
    "a legs a", "i like sir", "perplexed", "ellen's a", "a lesson", "unless a", "collects a",
    "cortana", "montana", "hey montana", "hey santana", "hey fontana", "hey banana", "a banana",
    "hey anna", "hey hannah", "court and a", "hey courtney", "hey gordon", "hey carter", "cartoon",
    "hey captain", "important", "hey important", "hey tijuana", "cor blimey", "hey corner",
    "hey savannah", "hey katana", "a katana", "hey cortisone", "hey diana", "hey quarter",
    "bixby", "bigsby", "hey digby", "hey rigby", "hey busby", "hey betsy", "hey baby", "hi baby",
    "hi bitsy", "hi becky", "hey pixie", "hi pixie", "hey big bee", "hi big spoon", "hey bix",
    "hi bill", "hey wigsby", "hey dixie", "hi dixie", "hey bisky", "hey business", "hi busy bee",
    "hey mixed bee", "hi trixie", "hey trixie", "hey bicycle", "hi biscuit", "hey grigsby",
    "copilot", "the copilot", "a copilot", "hey pilot", "pilot", "autopilot", "hey autopilot",
    "hey couple", "hey copy that", "hey copy it", "hey company", "hey coal pile", "hey coping",
    "hey compile it", "hey pilate", "hey cope", "hey profile", "hey coco", "hey violet", "hey toilet",
    "co-op pilot", "hey pilots", "hey copper pot", "hey cockpit", "hey co-host", "hey colorado",
    "hi there", "hi siri's", "hey you", "hey man", "hey guys", "hey what is it", "okay then",
    "okay so", "okay let us go", "a day", "they say", "today", "hooray", "obey", "away", "hey hey",
    "hey mycroft", "ok nabu", "hey snips", "amazon", "echo", "ziggy", "computer", "hey firefox",
    "hey spotify", "hey pandora", "hey facebook", "hey mercedes", "hey portal", "hello computer",
)  # fmt: skip

COMMANDS: tuple[str, ...] = (
    "what is the capital of france", "set a timer for ten minutes", "what time is it",
    "what is seven times eight", "who wrote hamlet", "search for the answer", "open the browser",
    "how do you spell necessary", "what is the boiling point of water", "read me the next one",
    "translate this", "define photosynthesis", "call home", "play some music", "stop",
    "what is the square root of two hundred", "when did the war end", "turn on the light",
)  # fmt: skip

_SUBJECTS = (
    "the teacher", "my brother", "a neighbour", "the old man", "our class", "this student",
    "the second answer", "the table", "her sister", "the whole group", "nobody", "everyone here",
    "the engine", "a small bird", "the river", "their company", "the author", "the first line",
    "i", "we", "you", "they", "he", "she", "the president", "the exam", "my mother", "the dog",
)  # fmt: skip
_VERBS = (
    "wanted to see", "was looking at", "will explain", "has forgotten", "could not find", "likes",
    "is reading about", "talked about", "should describe", "does not understand", "remembers",
    "had bought", "is going to write", "compared", "might have lost", "was afraid of", "needs",
    "collected", "selected", "googled", "searched for", "asked about", "copied", "walked past",
)  # fmt: skip
_OBJECTS = (
    "the question", "a different method", "the last chapter", "a serious problem", "the pilot",
    "the city of geneva", "an extra page", "a cup of coffee", "the electric field", "the graph",
    "the lecture", "a series of numbers", "the big picture", "his own mistakes", "the theory",
    "a long equation", "the north of syria", "some good news", "the cereal box", "the captain",
    "the weather in texas", "a banana", "every second word", "the good old days", "her pencil",
    "the colour of the sky", "the court", "an election", "the square of the length", "the noodles",
)  # fmt: skip
_TAILS = (
    "", "", "in the morning", "because it was late", "on the way home", "before the end", "okay",
    "with a friend", "after two hours", "as far as i know", "at least once a day", "or maybe not",
    "near the station", "for a little while", "and then we left", "if that is okay", "hey",
)  # fmt: skip
_STARTS = ("", "", "", "hey,", "okay,", "so", "well", "i think", "they say that", "maybe", "hi,")


def wording(head: str, rng: np.random.Generator) -> str:
    """One of the wordings of a head."""
    return str(rng.choice(PHRASES[head]))


def respell(text: str, rng: np.random.Generator) -> str:
    """``text`` with the names spelled so that a rule-based synthesiser says them well."""
    return " ".join(str(rng.choice(RESPELLED.get(word, (word,)))) for word in text.split())


def sentence(rng: np.random.Generator) -> str:
    """An ordinary English sentence, from small lists: grammatical, if not always wise."""
    parts = [rng.choice(part) for part in (_STARTS, _SUBJECTS, _VERBS, _OBJECTS, _TAILS)]
    return " ".join(str(part) for part in parts if part)


def word_salad(words: list[str], rng: np.random.Generator) -> str:
    """Three to seven words drawn from a dictionary: every sound of English in odd company."""
    return " ".join(str(word) for word in rng.choice(words, size=int(rng.integers(3, 8))))


def negative(words: list[str], rng: np.random.Generator) -> str:
    """A text that holds no phrase: near-misses, sentences and word salads."""
    kind = rng.random()
    if kind < 0.4:
        text = str(rng.choice(NEAR))
        if rng.random() < 0.4:
            text = f"{text} {rng.choice(COMMANDS) if rng.random() < 0.5 else rng.choice(NEAR)}"
    elif kind < 0.75:
        text = sentence(rng)
    else:
        text = word_salad(words, rng)
    return text if not holds_phrase(text) else sentence(rng)


def talk(words: list[str], rng: np.random.Generator) -> str:
    """One or two ordinary sentences or word salads, with no near-miss put in on purpose."""
    parts = [sentence(rng) if rng.random() < 0.6 else word_salad(words, rng) for _ in range(2)]
    text = ", ".join(parts)
    return text if not holds_phrase(text) else talk(words, rng)


def holds_phrase(text: str) -> bool:
    """Whether a text contains one of the phrases by chance of joining ("okay" + "google")."""
    plain = f" {text.replace(',', '')} "
    return any(f" {wording} " in plain for group in PHRASES.values() for wording in group)
