"""What the commands that run a session share: consent on the terminal, progress, flags as they come."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from proctor.errors import InputError

if TYPE_CHECKING:
    from policies.consent import Answers
    from policies.schema import Language
    from policies.texts import Texts
    from proctor.pipeline.rules import FlagEvent
    from proctor.session.plan import Plan
    from proctor.session.summary import Summary


def add_session_options(parser: argparse.ArgumentParser, *, invited: bool = False) -> None:
    """Options of every command that runs a session; ``invited``: an invitation may give some of them."""
    parser.add_argument(
        "--policy",
        default=None if invited else "standard",
        help="a preset's name, a practice policy file, or a signed policy (.dsse); default: standard",
    )
    parser.add_argument(
        "--root",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="root file of the institution that signed the policy (default: those installed here)",
    )
    parser.add_argument(
        "--case", type=Path, required=not invited, metavar="DIR", help="new folder for the case"
    )
    parser.add_argument(
        "--consent",
        default="ask",
        metavar="ask|all|FILE",
        help="ask purpose by purpose (default), accept all, or read a consent file",
    )
    parser.add_argument(
        "--lang",
        default=None if invited else "en",
        metavar="L",
        help="language: en, de, fr, es or nl"
        + (" (default: your system's, where it is one of them)" if invited else ""),
    )
    parser.add_argument(
        "--recipient",
        action="append",
        default=[],
        metavar="KEY",
        help="an age public key that can open the clips, beside the policy's "
        "(may be given again; default: this computer's demo key)",
    )
    parser.add_argument(
        "--addendum",
        type=Path,
        metavar="FILE",
        help="what is arranged for this student: a file that the institution signed (.dsse)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    add_quiet(parser)


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """``--quiet``, also after the command's name."""
    parser.add_argument(
        "--quiet", action="store_true", default=argparse.SUPPRESS, help="no progress bar"
    )


def get_consent(plan: Plan, how: str, lang: str = "en") -> Answers:
    """Consent as the option says: asked on the terminal in ``lang``, accepted, or from a file.

    What a yes alone does not allow is taken back; raises :class:`InputError` when nothing is left to run.
    """
    from policies.engine import lawful
    from proctor.session.session import require_some_sensor

    answers = lawful(plan.policy, read_answers(plan, how, lang))
    require_some_sensor(answers, plan)
    return answers


def language_of(lang: str) -> Language:
    """The language asked for; raises :class:`InputError` where there are no texts in it."""
    from policies.errors import PolicyError
    from policies.texts import texts

    try:
        return texts(lang).lang
    except PolicyError as error:
        raise InputError(str(error)) from error


def system_language() -> Language:
    """The first language of the system that we have texts in, else English, as a window takes it."""
    from policies.texts import LANGUAGES

    named = [os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG")]
    chosen = next(filter(None, named), "")
    if sys.platform == "win32" and not chosen:
        import ctypes
        import locale

        number = ctypes.windll.kernel32.GetUserDefaultUILanguage()
        chosen = locale.windows_locale.get(number, "")
    # The plain locale is English, whatever stands in the list (GNU gettext manual, 2.3).
    more = (
        os.environ.get("LANGUAGE", "") if chosen.partition(".")[0] not in ("", "C", "POSIX") else ""
    )
    for one in (*more.split(":"), chosen):
        for lang in LANGUAGES:
            if re.split(r"[_.@-]", one)[0].lower() == lang:
                return lang
    return "en"


def read_answers(plan: Plan, how: str, lang: str) -> Answers:
    """What the student says to each purpose of ``plan``, as the option says."""
    from policies import consent
    from policies.errors import PolicyError

    language = language_of(lang)
    if how == "all":
        return replace(consent.accept_all(plan.policy), language=language)
    if how == "ask":
        if not sys.stdin.isatty():
            raise InputError(
                "Consent must be asked, but there is no terminal to ask on. Give --consent FILE "
                "with the student's answers, or --consent all for a recording whose people agreed."
            )
        print(f"{plan.policy.institution}: {plan.policy.exam}", file=sys.stderr)
        return consent.ask(plan.policy, partial(yes_or_no, language), language)
    try:
        return replace(consent.from_file(plan.policy, Path(how)), language=language)
    except PolicyError as error:
        raise InputError(str(error)) from error


def yes_or_no(language: str, question: str) -> bool:
    """The answer typed in words of ``language``, or in English ones, which always count."""
    from policies.texts import texts
    from policies.texts.words import ACCEPT, DECLINE, PLEASE, WHICH

    t = texts(language)
    words = {"accept": t.say(ACCEPT), "decline": t.say(DECLINE)}
    yes = {words["accept"], words["accept"][0], "accept", "a", "yes", "y"}
    no = {words["decline"], words["decline"][0], "decline", "d", "no", "n"}
    print(f"\n{question}", file=sys.stderr)
    while True:
        print(f"  {t.say(WHICH, **words)} ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            raise InputError("The questions were not answered, so nothing was started.")
        answer = line.strip().lower()
        # A word that means both, as a first letter may, means nothing.
        if answer in yes - no:
            return True
        if answer in no - yes:
            return False
        print(f"  {t.say(PLEASE, **words)}", file=sys.stderr)


def clock_text(t: float) -> str:
    """Session seconds as 0:07 or 1:02:09."""
    whole = int(t)
    hours, minutes, seconds = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class Progress:
    """A progress bar over session seconds with time left; silent when asked to be, or off a terminal."""

    def __init__(self, total: float | None, quiet: bool, t: Texts | None = None) -> None:
        from tqdm import tqdm

        from policies.texts import terminal, texts

        t = t or texts()
        # The bar fills the place of the time itself.
        left = t.say(terminal.LEFT, time="{remaining}")
        self._bar = tqdm(
            total=None if total is None else round(total, 1),
            unit="s",
            desc=t.say(terminal.EXAM),
            disable=True if quiet else None,
            bar_format="{desc}: {percentage:3.0f}% |{bar}| {n:.0f}/{total:.0f} s, " + left
            if total
            else "{desc}: {n:.0f} s",
        )
        self._at = 0.0

    def __call__(self, t: float) -> None:
        if t > self._at:
            self._bar.update(min(t, self._bar.total or t) - self._at)
            self._at = t

    def write(self, line: str) -> None:
        """Print a line above the bar."""
        self._bar.write(line)

    def tell(self, line: str) -> None:
        """Say something to the person at the terminal, above the bar and apart from the output."""
        self._bar.write(line, file=sys.stderr)

    def close(self) -> None:
        self._bar.close()


@contextmanager
def step_bar(what: str, quiet: bool) -> Iterator[Callable[[float, float], None]]:
    """A progress bar for a step that reports ``(done, total)``; drawn only while there is work."""
    from tqdm import tqdm

    with tqdm(
        desc=what,
        disable=True if quiet else None,
        leave=False,
        bar_format="{desc}: {percentage:3.0f}% |{bar}| {remaining} left",
    ) as bar:

        def report(done: float, total: float) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield report


def flag_printer(
    as_json: bool, write: Callable[[str], None], t: Texts | None = None
) -> Callable[[FlagEvent], None]:
    """What is printed when a flag closes: a line for a person, in the language of ``t``, or a JSON object."""
    from policies.texts import told
    from policies.texts.numbers import kind_title

    def printer(event: FlagEvent) -> None:
        flag = event.flag
        if event.what != "closed" or flag.end is None:
            return
        if as_json:
            text = json.dumps(
                {
                    "kind": flag.kind,
                    "start": round(flag.start, 3),
                    "end": round(flag.end, 3),
                    "peak": round(flag.peak, 3),
                    "rule": flag.rule,
                    "why": flag.why,
                },
                ensure_ascii=False,
            )
        else:
            why = flag.why if t is None else told.tell(t, flag.why)
            kind = flag.kind if t is None or t.lang == "en" else kind_title(t, flag.kind, {})
            text = f"{clock_text(flag.start):>8}  {kind:<20} {why}"
        write(text)

    return printer


def tell(sentence: str) -> None:
    """Say something that matters also where nothing else is printed."""
    print(sentence, file=sys.stderr)


def print_not_measured(plan: Plan, quiet: bool, t: Texts | None = None) -> None:
    """One line for every detector that does not run, and the command that mends it."""
    from policies.texts.told import left_out

    if quiet:
        return
    for absent in plan.not_measured:
        if t is None or t.lang == "en":
            print(absent.sentence(), file=sys.stderr)
        else:
            print(left_out(t, absent.kinds, absent.why, absent.mend), file=sys.stderr)


def print_summary(
    summary: Summary, folder: Path, as_json: bool, quiet: bool, t: Texts | None = None
) -> None:
    """The last line: numbers for a machine, or a few sentences for a person, in the language of ``t``."""
    from policies.texts import terminal, texts

    if as_json:
        print(json.dumps({"summary": summary.as_dict()}, ensure_ascii=False), flush=True)
        return
    if quiet:
        return
    t = t or texts()
    cpu = 100 * summary.cpu_s["total"] / max(summary.seconds, 1e-9)
    watched = t.say(
        terminal.WATCHED,
        time=clock_text(summary.seconds),
        speed=round(summary.real_time_factor, 1),
        share=round(cpu),
        frames=summary.frames_seen,
        dropped=summary.frames_dropped,
    )
    moments = t.count(terminal.MOMENTS, summary.flags, clips=summary.clips)
    print(
        f"\n{watched}\n{moments} {t.say(terminal.NO_VERDICT)}\n"
        + t.say(terminal.CASE_IN, folder=str(folder), command=f"proctor case show {folder}")
    )
