"""What is wrong with a policy that is being written, each with the field it belongs to. No Qt in here.

Values are checked by the model itself, laws and wisdom by the linter; here both become one list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from policies.lint import lint
from policies.lint_rules import RULES
from policies.load import as_tuples, document_of, printable
from policies.schema import Policy
from proctor.pipeline.plugins import discover
from ui.institution.fields import Path
from ui.texts import Texts, mark

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. ``rule`` is the linter's number, empty for a value that is not allowed.

    ``title`` is in the language of the window, as ``text`` is without a rule; what a rule says
    (``text``, ``why``, ``mend``) is in English.
    """

    key: Path
    severity: Severity
    text: str
    rule: str = ""
    why: str = ""
    mend: str = ""
    source: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """A text that was looked at: its tables, the policy if it is one, and everything to mend."""

    text: str
    data: Mapping[str, Any]
    policy: Policy | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> int:
        return sum(problem.severity == "error" for problem in self.problems)

    @property
    def warnings(self) -> int:
        return len(self.problems) - self.errors


# The schema's own sentences about values that do not fit together → ours, and the field to mend.
TOGETHER: tuple[tuple[str, str, Path], ...] = (
    (r"off \(.*\) must not be above on",
     mark("“No longer seen below” must not be above “Seen from”."), ("off",)),
    (r"max_s \(.*\) leaves no room",
     mark("The longest clip must be longer than what is kept before and after the flag."), ("max_s",)),
    (r"needs a written reason", mark("A room scan that is offered needs a written reason."), ("reason",)),
    (r"needs a written alternative",
     mark("A room scan that is offered needs a written alternative."), ("alternative",)),
    (r"needs notice_hours", mark("A room scan that is offered needs a notice of at least one hour."),
     ("notice_hours",)),
    (r"purpose clips needs", mark("Clips need the purpose “Camera” or “Microphone” beside them."),
     ("purposes", "clips")),
    (r"room_scan.mode = offered and",
     mark("A room scan that is offered and the purpose “Room scan” go together: both or neither."),
     ("room_scan", "mode")),
    (r"identity_retention needs", mark("Keeping the identity check needs the purpose “Identity check”."),
     ("purposes", "identity_retention")),
    (r"retention.research_days and",
     mark("Research copies and the purpose “Research” go together: both or neither."),
     ("retention", "research_days")),
    (r"not_before needs a time zone", mark("The date needs a time zone."), ("not_before",)),
    (r"expires needs a time zone", mark("The date needs a time zone."), ("expires",)),
    (r"not_before must lie between", mark("The year must lie between 2000 and 2199."), ("not_before",)),
    (r"expires must lie between", mark("The year must lie between 2000 and 2199."), ("expires",)),
    (r"expires must be later", mark("The policy must expire after it begins to hold."), ("expires",)),
    (r"recipient and holders go together",
     mark("The spare key and its holders go together: both or neither."), ("holders",)),
    (r"holders: one stands there twice", mark("One holder is in the list twice."), ("holders",)),
    (r"threshold asks for", mark("More holders are needed than there are in the list."), ("threshold",)),
    (r"recipient is one of the holders",
     mark("The spare key is one of the holders' keys, who could then open every clip alone."),
     ("recipient",)),
    (r"escrow.recipient is among the recipients",
     mark("The spare key is among those who can open clips, so it would be no spare."),
     ("escrow", "recipient")),
    (r"rules\..* cannot be:",
     mark("One of the rules is about the camera itself, not about a person, and is never a flag; "
          "remove it."), ("rules",)),
    (r"holds the character U\+",
     mark("There is a character in it that cannot be seen; write the text anew."), ()),
    (r"must be a text, a number, true or false",
     mark("Only texts, numbers, yes or no, and lists of these are possible here."), ()),
    (r"must be a number that is finite", mark("This must be a number."), ()),
)  # fmt: skip

# Titles of rules that are written with a number of the code in them, so that the catalogues know them.
NUMBERED = (
    mark("clips longer than 20 s"),
    mark("more than 10 s before the flag"),
    mark("breaks shorter than 5 minutes"),
)

PATTERNS: Mapping[str, str] = {
    "age1": mark(
        "This is no public key of somebody who opens clips; such a key begins with “age1”."
    ),
    "a-z0-9": mark(
        "Use small letters, digits, dots, dashes and underscores, and begin with a letter."
    ),
    "a-z": mark("Use small letters, with a dot between the parts, for instance face.absent."),
}


def check(t: Texts, text: str, where: str) -> Checked:
    """Look at a text that is TOML; raises :class:`policies.errors.PolicyError` when it is not."""
    raw = text.encode("utf-8")
    _, data = document_of(raw, where)
    try:
        policy = Policy.model_validate(as_tuples(data))
    except ValidationError as error:
        return Checked(text, data, None, tuple(_values(t, error, data)))
    titles = {rule.id: rule.title for rule in RULES}
    found = [
        Problem(
            one.key, one.severity, one.what, one.rule, one.why, one.mend, one.source,
            _begun(t.say(titles[one.rule])),
        )
        for one in lint(policy, raw)
    ]  # fmt: skip
    return Checked(text, data, policy, (*_plugins(t, policy), *found))


def _begun(title: str) -> str:
    """A title as the beginning of a line."""
    return f"{title[:1].upper()}{title[1:]}"


def _plugins(t: Texts, policy: Policy) -> Iterator[Problem]:
    """Detectors that are not installed here, and settings that a plug-in does not know."""
    known = discover()
    for name, wanted in policy.detectors.items():
        plugin = known.get(name)
        if plugin is None:
            yield Problem(
                ("detectors", name),
                "error",
                known.broken.get(name)
                or t.say(
                    "The detector “{name}” is not installed on this computer, so its settings cannot be "
                    "checked.",
                    name=name,
                ),
            )
            continue
        given = {k: tuple(v) if isinstance(v, list) else v for k, v in wanted.settings.items()}
        try:
            plugin.Settings.model_validate(given)
        except ValidationError as error:
            yield from _values(t, error, {}, ("detectors", name, "settings"))


def _values(
    t: Texts, error: ValidationError, data: Mapping[str, Any], above: Path = ()
) -> Iterator[Problem]:
    for one in error.errors(include_url=False):
        key = (*above, *(str(part) for part in one["loc"] if part != "[key]"))
        message = one["msg"].removeprefix("Value error, ")
        if one["type"] == "value_error":
            for pattern, said, field in TOGETHER:
                if re.search(pattern, message):
                    message, key = t.say(said), (*key, *field)
                    break
        else:
            message = _sentence(t, one["type"], one.get("ctx", {}), message)
        yield Problem(_field_of(key), "error", message)


def _field_of(key: Path) -> Path:
    """The field that a place in a list belongs to."""
    return tuple(part for part in key if not part.isdigit())


def _sentence(t: Texts, kind: str, context: Mapping[str, Any], message: str) -> str:
    """Pydantic's kind of error in our words."""
    number = next((context[k] for k in ("ge", "gt", "le", "lt") if k in context), None)
    if number is not None and isinstance(number, int | float):
        said = {
            "greater_than_equal": mark("This must be {limit} or more."),
            "greater_than": mark("This must be more than {limit}."),
            "less_than_equal": mark("This must be {limit} or less."),
            "less_than": mark("This must be less than {limit}."),
        }
        if kind in said:
            return t.say(said[kind], limit=number)
    if kind == "string_too_short" and context["min_length"] > 1:
        return t.say("This needs at least {count} characters.", count=context["min_length"])
    if kind in ("missing", "string_too_short", "too_short"):
        return t.say("This is needed.")
    if kind == "string_too_long":
        return t.say("This can have at most {count} characters.", count=context["max_length"])
    if kind == "too_long":
        return t.say("This list can have at most {count} entries.", count=context["max_length"])
    if kind == "extra_forbidden":
        return t.say("A policy has no such field; take it out of the file.")
    if kind == "string_pattern_mismatch":
        for part, said_so in PATTERNS.items():
            if part in str(context.get("pattern", "")):
                return t.say(said_so)
    if kind in ("literal_error", "enum"):
        return t.say("Choose one of: {choices}.", choices=str(context.get("expected", "")))
    if kind.startswith(("int_", "float_")):
        return t.say("This must be a number.")
    if kind.startswith("bool_"):
        return t.say("This must be yes or no.")
    if kind.startswith("string_"):
        return t.say("This must be a text.")
    if kind.startswith(("dict_", "model_", "tuple_", "list_", "datetime_")):
        return t.say("Something else is expected here; see the description of the field.")
    return printable(message)


def of_field(problems: Sequence[Problem], key: Path) -> list[Problem]:
    """The problems that belong to one field, or to something inside it."""
    return [problem for problem in problems if problem.key[: len(key)] == key]
