"""Whether a long password is one that everybody thinks of (OWASP ASVS 5, 6.2.4).

Lists of common passwords are of little use here: hardly any entry has the 15 characters that the hub asks for. Long
passwords that people choose alike are put together from short ones: words of those lists, keys that lie side
by side, years, and all of that again. So a password is taken apart into such pieces, and refused where too little
is left that had to be thought of.
"""

from __future__ import annotations

import re
import string

# A piece said before counts nothing, another piece or a character that belongs to none counts one.
LEAST = 8
# Shorter runs of neighbouring keys happen in words ("we", "ert").
RUN = 4
# A longer piece is several (what is asked stays quick for the longest password).
LONGEST = 40
# What is shorter than any password the hub takes, and is only said again and again, has become no better.
SHORT = 15
_ROWS = (
    "1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm",
    "wxcvbn", string.ascii_lowercase,
    # Up and down the columns of a keyboard.
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "qazwsxedcrfvtgbyhnujmikolp", "1q2w3e4r5t6y7u8i9o0p",
    "zaq1xsw2cde3vfr4bgt5nhy6mju7", "q1w2e3r4t5y6u7i8o9p0",
)  # fmt: skip
# What stands at the head of every published list of leaked passwords, names of days and months, and the words of the
# best known example of a good password.
_WORDS = """
    password passwort passwd motdepasse contrasena wachtwoord pass word login logon admin administrator root user
    guest test tester testing demo default changeme change secret geheim letmein welcome willkommen bienvenue
    bienvenido welkom hello hallo bonjour hola iloveyou love lovely loveyou forever baby angel princess prinzessin
    sunshine sonnenschein shadow master monkey dragon football fussball soccer baseball basketball hockey superman
    batman spiderman starwars pokemon naruto minecraft matrix trustno whatever freedom nothing killer hunter ranger
    mustang ferrari porsche mercedes corvette harley jordan michael jennifer jessica charlie thomas daniel andrew
    robert george joshua matthew ashley amanda nicole hannah michelle anthony william buster tigger ginger pepper
    cookie cheese chocolate banana orange apple flower summer sommer winter spring autumn herbst january february
    march april june july august september october november december januar februar maerz juni juli oktober dezember
    monday tuesday wednesday thursday friday saturday sunday montag dienstag mittwoch donnerstag freitag samstag
    sonntag company office internet computer laptop server system network windows microsoft google facebook samsung
    android iphone qwerty azerty school university universitaet student teacher exam examen proctor online access
    account temp temporary money lucky happy silver golden diamond purple yellow black white green blue correct
    horse battery staple abc abcd one two three four five six seven eight nine zero this that the and you my
    not is are for your own very long strong super best
"""
WORDS = frozenset(_WORDS.split())
_LEET = str.maketrans("013457@$!|+€", "oieastasiite")
_YEAR = re.compile(r"(?:19|20)\d\d")


def is_easy(password: str) -> bool:
    """Whether ``password`` is little more than pieces that everybody thinks of."""
    plain = password.lower()
    most = min(SHORT - 1, len(plain) // 2)
    if any(plain == (plain[:unit] * len(plain))[: len(plain)] for unit in range(1, most + 1)):
        return True
    kept = "".join(one for one in plain if one.isalnum() or one in "@$!|+€")
    return min(_count(kept), _count(kept.translate(_LEET))) < LEAST


def _count(said: str) -> int:
    """The least number of pieces and single characters of which ``said`` consists."""
    best = [0] + [len(said) + 1] * len(said)
    for end in range(1, len(said) + 1):
        for begin in range(max(0, end - LONGEST), end):
            piece = said[begin:end]
            if len(piece) == 1:
                cost = 0 if begin and said[begin - 1] == piece else 1
            elif len(piece) > 2 and piece in said[:begin]:
                cost = 0
            elif piece in WORDS or _is_run(piece) or _YEAR.fullmatch(piece):
                cost = 1
            else:
                continue
            best[end] = min(best[end], best[begin] + cost)
    return best[-1]


def _is_run(piece: str) -> bool:
    """Keys that lie side by side, forwards or backwards, also once around (``890123``)."""
    if len(piece) < RUN:
        return False
    return any(piece in way for row in _ROWS for way in (row + row, (row + row)[::-1]))
