"""What the instances of a host use: memory, connections, disk; and what is there of them: one command."""

from pyinfra.api.facts import FactBase

from desired.errors import HostStop
from desired.sql_text import STATIC
from desired.usage import SECRETS, Usage, parse_usage
from facts.script import script_text


class InUse(FactBase[Usage]):
    """`Usage`; what a host does not tell is None there."""

    def command(self, session: str, secrets: tuple[str, ...] = ()) -> str:
        """`session`: shell text from `desired.sql_text.session`; `secrets`: names of those the instances need."""
        host = script_text("status", args=tuple(f"{SECRETS}/{name}" for name in secrets))
        return f"{host}\n{{ {session}; }} 2>/dev/null <<'SUPABASE_SQL' || true\n{STATIC['status']}SUPABASE_SQL"

    @staticmethod
    def default() -> Usage:
        return Usage()

    def process(self, output: list[str]) -> Usage:
        try:
            return parse_usage(output)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise HostStop(f"what the instances use could not be read: {type(error).__name__}") from None
