"""What a rule is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    name: str
    what: str  # what goes wrong when the rule is broken
    file: str
    old: str
    new: str
    check: str
    test: str  # a part of the test's name
