"""How people judge, what the student may say to it, and how long each class of data is kept."""

from __future__ import annotations

from collections.abc import Iterable

from policies.lint_rules.base import BASE, Hit, Pack, View, days_needed

_pack = Pack("REV")

# Our own bounds, in days.
SHORTEST_WINDOW = 5
LONGEST_WINDOW = 30
SHORTEST_COMMENT = 3
LONGEST_JOURNAL = 3 * 365 + 1
LONGEST_RESEARCH = 5 * 365 + 1


@_pack.warning(
    "clips kept longer than anybody needs them",
    "After review, comment and two weeks to contest the decision a clip has done its work.",
    "GDPR Art. 5(1)(e); POLICY O2",
    "Bring retention.clips_days down to window_days + comment_days + 14; a dispute is what a legal "
    "hold is for.",
)
def _clips_long(view: View) -> Iterable[Hit]:
    kept = view.policy.retention.clips_days
    # California has this as an error, in the words of its own law.
    if view.asks("clips") and kept > days_needed(view.policy) and not view.within("US-CA"):
        yield Hit(
            ("retention", "clips_days"),
            f"Clips are kept {kept} days; {days_needed(view.policy)} would do.",
        )


@_pack.error(
    "clips erased before they can be reviewed",
    "A reviewer would have to judge a sentence without what it speaks of.",
    "POLICY O2, O3",
    "Raise retention.clips_days to window_days + comment_days or more, or shorten the window.",
)
def _clips_short(view: View) -> Iterable[Hit]:
    kept, window = view.policy.retention.clips_days, view.policy.review.window_days
    if view.asks("clips") and kept < window:
        yield Hit(
            ("retention", "clips_days"),
            f"Clips are kept {kept} days, and reviewed within {window}.",
        )


@_pack.warning(
    "clips erased before the student can comment",
    "A student could not look at what the comment is about.",
    "POLICY O3, O4",
    "Raise retention.clips_days to window_days + comment_days or more.",
)
def _clips_before_comment(view: View) -> Iterable[Hit]:
    kept, review = view.policy.retention.clips_days, view.policy.review
    if view.asks("clips") and review.window_days <= kept < review.window_days + review.comment_days:
        yield Hit(
            ("retention", "clips_days"),
            f"Clips are kept {kept} days; review and comment take up to "
            f"{review.window_days + review.comment_days}.",
        )


@_pack.warning(
    "more time to comment than to review",
    "A flag may expire with its clip while the student still writes about it.",
    "POLICY O2, O3",
    "Set review.comment_days to at most review.window_days.",
)
def _comment_long(view: View) -> Iterable[Hit]:
    review = view.policy.review
    if review.comment_days > review.window_days:
        yield Hit(
            ("review", "comment_days"),
            f"Comments take {review.comment_days} days, the review {review.window_days}.",
        )


@_pack.warning(
    "little time to comment",
    "Students are tired, ill or at work after an exam; some need help to write.",
    "POLICY O3; " + BASE,
    f"Set review.comment_days to at least {SHORTEST_COMMENT}.",
)
def _comment_short(view: View) -> Iterable[Hit]:
    days = view.policy.review.comment_days
    if view.real and days < SHORTEST_COMMENT:
        yield Hit(("review", "comment_days"), f"Students have {days} day(s) to comment.")


@_pack.warning(
    "one reviewer alone at high stakes",
    "One tired person is wrong now and then, and here it costs a student dearly.",
    "POLICY O3; EU AI Act Art. 14; compare GDPR Art. 22(3)",
    "Set review.second_reviewer = true.",
)
def _alone(view: View) -> Iterable[Hit]:
    if view.high and not view.policy.review.second_reviewer:
        yield Hit(("review", "second_reviewer"), "One person alone reaches an adverse verdict.")


@_pack.warning(
    "hardly any time to review",
    "Flags would be judged in haste, or expire unseen.",
    "POLICY O2; EU AI Act Art. 14(4)",
    f"Set review.window_days to at least {SHORTEST_WINDOW}.",
)
def _window_short(view: View) -> Iterable[Hit]:
    days = view.policy.review.window_days
    if view.real and days < SHORTEST_WINDOW:
        yield Hit(("review", "window_days"), f"The review window is {days} day(s).")


@_pack.warning(
    "students wait long for an answer",
    "A flag that nobody has looked at weighs on a student every day.",
    "POLICY O2; " + BASE,
    f"Set review.window_days to at most {LONGEST_WINDOW}.",
)
def _window_long(view: View) -> Iterable[Hit]:
    days = view.policy.review.window_days
    if days > LONGEST_WINDOW:
        yield Hit(("review", "window_days"), f"The review window is {days} days.")


@_pack.warning(
    "decisions forgotten before they can be contested",
    "A student who contests a decision needs what was decided, by whom and why.",
    "POLICY O4, T1; EU AI Act Art. 86",
    "Raise retention.decisions_days to window_days + comment_days + 14 or more.",
)
def _decisions_short(view: View) -> Iterable[Hit]:
    kept = view.policy.retention.decisions_days
    if view.real and kept < days_needed(view.policy):
        yield Hit(
            ("retention", "decisions_days"),
            f"Decisions are kept {kept} days; contesting one takes up to "
            f"{days_needed(view.policy)}.",
        )


@_pack.warning(
    "the journal ends before the decisions",
    "Afterwards nobody can check what a decision was founded on, or who looked at what.",
    "POLICY O4, T1; EU AI Act Art. 12",
    "Set retention.journal_days to at least retention.decisions_days.",
)
def _journal_short(view: View) -> Iterable[Hit]:
    kept = view.policy.retention
    if kept.journal_days < kept.decisions_days:
        yield Hit(
            ("retention", "journal_days"),
            f"The journal is kept {kept.journal_days} days, decisions {kept.decisions_days}.",
        )


@_pack.warning(
    "the journal is kept for more than three years",
    "It holds no pictures, yet when a student came, went and took a break.",
    "GDPR Art. 5(1)(e); POLICY T1",
    "Shorten retention.journal_days, or write down which law asks for it.",
)
def _journal_long(view: View) -> Iterable[Hit]:
    days = view.policy.retention.journal_days
    if days > LONGEST_JOURNAL:
        yield Hit(("retention", "journal_days"), f"The journal is kept {days} days.")


@_pack.error(
    "identity data and its purpose disagree",
    "Keeping identity data has a question and a period of its own; without them none is kept.",
    "POLICY C1, T3",
    "Set retention.identity_days and [purposes.identity_retention] both, or neither.",
)
def _identity_kept(view: View) -> Iterable[Hit]:
    days = view.policy.retention.identity_days
    asked = view.asks("identity_retention")
    if (days > 0) != asked:
        said = "is not asked about" if days else "is asked about, yet for 0 days"
        yield Hit(("retention", "identity_days"), f"Keeping identity data {said}.")


@_pack.warning(
    "research copies kept for more than five years",
    "Faces and rooms of students outlive every study; consent is given for a time one can oversee.",
    "GDPR Art. 5(1)(e), 89(1)",
    "Shorten retention.research_days, or keep measurements instead of pictures.",
)
def _research_long(view: View) -> Iterable[Hit]:
    days = view.policy.retention.research_days
    if days > LONGEST_RESEARCH:
        yield Hit(("retention", "research_days"), f"Research copies are kept {days} days.")


RULES = _pack.rules
