"""A real SSH, systemd, PostgreSQL and Nix machine that tests start: `Machine.start()`."""

from .cache import MachineError
from .machine import Machine

__all__ = ["Machine", "MachineError"]
