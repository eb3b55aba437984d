"""The mistakes that scripts/sabotage makes, one for each rule of the protocol, and the check that must notice."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Check:
    name: str
    target: str
    arguments: list
    environment: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    name: str
    what: str
    file: str
    old: str
    new: str
    check: str
    test: str


CHECKS = {
    "model": Check("model", "loom", ["-p", "quiescent-core", "--release", "--test", "loom"], {"RUSTFLAGS": "--cfg loom"}),
    "twin": Check("twin", "core", ["-p", "quiescent-core", "--test", "twin"]),
    "handle": Check("handle", "core", ["-p", "quiescent-core", "--test", "handle"]),
    "guard": Check("guard", "core", ["-p", "quiescent-core", "--test", "guard"]),
    "unit": Check("unit", "core", ["-p", "quiescent-core", "--lib"]),
}

RULES = []
