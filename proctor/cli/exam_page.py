"""What ``proctor exam`` says when the policy names an exam page: where the page finds this program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from policies.texts import Texts, terminal
from proctor.session.markers import ExamPage
from proctor.session.session import Session


@contextmanager
def listening(session: Session, write: Callable[[str], None], t: Texts) -> Iterator[None]:
    """Listen to the exam page, if the policy names one, as long as the exam runs."""
    origin = session.plan.policy.exam_page.origin
    if not origin:
        yield
        return
    with ExamPage(origin, session.mark) as page:
        write(f"{t.say(terminal.EXAM_PAGE)}\n  {page.link}\n{t.say(terminal.EXAM_PAGE_TELLS)}")
        yield
