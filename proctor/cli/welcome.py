"""What ``proctor`` says when nothing is asked of it: the three things that most people come for."""

from __future__ import annotations

import argparse

WELCOME = """\
Welcome to Open Proctor. It watches an exam on your own computer, only after you have agreed, and
keeps nothing but the moments that a person should look at. A flag is a question, never a verdict.

  proctor doctor               is everything here that an exam needs? No camera is opened for this.
  proctor demo                 a sample exam, and what a proctor would see of it
  proctor exam INVITATION      your exam, with the file or the link that your institution sent you

`proctor exam` alone opens the same window, and a practice exam in it. `proctor --help` lists the rest."""


def run(arguments: argparse.Namespace) -> int:
    """Prints the welcome. Exit code 0: asking for nothing is no mistake."""
    print(WELCOME)
    return 0
