"""The mistakes that scripts/sabotage makes, one for each rule of the protocol, and the check that must notice."""

from . import backend, bindings, file_lock, protocol, waits
from .checks import CHECKS

RULES = protocol.RULES + waits.RULES + backend.RULES + file_lock.RULES + bindings.RULES
