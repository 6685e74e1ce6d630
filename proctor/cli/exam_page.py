"""What ``proctor exam`` says when the policy names an exam page: where the page finds this program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from proctor.session.markers import ExamPage
from proctor.session.session import Session


@contextmanager
def listening(session: Session, write: Callable[[str], None]) -> Iterator[None]:
    """Listen to the exam page, if the policy names one, as long as the exam runs."""
    origin = session.plan.policy.exam_page.origin
    if not origin:
        yield
        return
    with ExamPage(origin, session.mark) as page:
        write(
            f"Open the exam page with this link, or add its end, from the # on, to the page's address:\n"
            f"  {page.link}\n"
            f"The page can then tell when a question is shown and when you answer it, and nothing else."
        )
        yield
