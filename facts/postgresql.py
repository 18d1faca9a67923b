"""One question to the host's PostgreSQL: which of our roles and databases are there, and in what state."""

import json
import re

from pyinfra.api.facts import FactBase

from desired.cluster_state import Absent, Observation, Unreachable, observed
from desired.sql_text import STATIC

_STATUS = re.compile(r"status (\d+)")
_NO_SERVER = re.compile(r"No such file or directory|Connection refused")
_NO_USER = re.compile(r"(user \S+ does not exist|unknown user|no passwd entry)")


class Cluster(FactBase[Observation]):
    """The `Observation` of the whole host: one connection, to database postgres, that reads shared catalogs only."""

    def command(self, session: str) -> str:
        """`session`: shell text from `desired.sql_text.session`."""
        return f"{{ {session}; }} 2>&1 <<'SUPABASE_SQL'\n{STATIC['observe']}SUPABASE_SQL\necho status $?"

    def process(self, output: list[str]) -> Observation:
        status = _STATUS.fullmatch(output[-1].strip()) if output else None
        if status is None:
            return Unreachable("the connection to the host ended before psql did")
        said = [line.strip() for line in output[:-1] if line.strip()]
        document = next((line for line in said if line.startswith("{")), None)
        if status[1] == "0" and document is not None:
            return observed(json.loads(document))
        reason = next((line for line in reversed(said) if not line.startswith("{")), f"psql ended with status {status[1]}")
        if status[1] in ("126", "127") or (status[1] == "2" and _NO_SERVER.search("\n".join(said))):
            return Absent(reason)
        if _NO_USER.search(reason):
            return Absent(reason)
        return Unreachable(reason)

    @staticmethod
    def default() -> Observation:
        """What silence means: not that nothing is there."""
        return Unreachable("psql gave no answer")
