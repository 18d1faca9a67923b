"""One question to the host's PostgreSQL: which of our roles and databases are there, in what state, and what is inside them."""

import base64
import gzip
import json
import re
import zlib

from pyinfra.api.facts import FactBase

from desired.cluster_state import Absent, Observation, Unreachable, observed
from desired.sql_text import STATIC, connect, literal, psql_word

_STATUS = re.compile(r"status (\d+)")
_PACKED = "packed "
_NO_SERVER = re.compile(r"No such file or directory|Connection refused")
_NO_USER = re.compile(r"(user \S+ does not exist|unknown user|no passwd entry)")
_PSQL = re.compile(r"^psql:\S* (error: )?(\\connect: )?")
#: Whether database `name` is to be entered.
_THERE = """SELECT EXISTS (SELECT FROM pg_catalog.pg_database AS d WHERE d.datname = :'name' AND d.datallowconn)
AND NOT coalesce(:'marks'::pg_catalog.jsonb ->> :'name' = :'seen'::pg_catalog.jsonb ->> :'name', false) AS enter"""
_ENTERING = re.compile(r"entering (\S+)")


class Cluster(FactBase[Observation]):
    """The `Observation` of the whole host: one psql, which reads shared catalogs first and then enters one database after the
    other. It reads catalogs only."""

    def command(self, session: str, databases: tuple[str, ...] = (), seen: tuple[tuple[str, str], ...] = ()) -> str:
        """`session`: shell text from `desired.sql_text.session`; `databases`: those to be entered, if they are there; `seen`:
        some of them with the mark that each had when it was entered before: only with another one it is entered again."""
        # Packed, because text for the shell has a limit of 128 KiB, which 500 databases would reach.
        sql = STATIC["observe"] + _insides(databases, dict(seen))
        packed = base64.b64encode(gzip.compress(sql.encode(), mtime=0)).decode()
        asked = f"printf %s {packed} | base64 -d | gzip -d | {session}"
        # What psql says goes last: its two outputs are buffered apart, and a line of one could cut a line of the other. What it
        # answers is packed: 100 instances, which are as good as equal, need 46 KB for their 370.
        return f"""{{ printf '\\npacked '
said=$({{ {{ {asked}; echo status $? >&2; }} 2>&4 3>&- 4>&- | gzip -1 | base64 -w 0 >&3; }} 4>&1
); }} 3>&1
printf '\\n%s\\n' "$said\""""

    def process(self, output: list[str]) -> Observation:
        # A login's shell may say something before.
        at = next((number for number, line in enumerate(output) if line.startswith(_PACKED)), len(output))
        rest = output[at + 1 :]
        status = _STATUS.fullmatch(rest[-1].strip()) if rest else None
        if status is None:
            return Unreachable("the connection to the host ended before psql did")
        try:
            lines = gzip.decompress(base64.b64decode(output[at].removeprefix(_PACKED))).decode().split("\n")
            documents = [json.loads(line) for line in lines if line]
        except (ValueError, OSError, EOFError, zlib.error):
            return Unreachable("what psql gave arrived damaged")
        said = [stripped for line in rest[:-1] if (stripped := line.strip())]
        shut = _shut(said)
        if documents and (status[1] == "0" or shut):
            return observed(documents[0], documents[1:], {} if status[1] == "0" else shut)
        reason = said[-1] if said else f"psql ended with status {status[1]}"
        silent = next((_PSQL.sub("", line) for line in said if _NO_SERVER.search(line)), None) if status[1] == "2" else None
        if silent or status[1] in ("126", "127"):
            return Absent(silent or reason)
        if _NO_USER.search(reason):
            return Absent(reason)
        return Unreachable(reason)

    @staticmethod
    def default() -> Observation:
        """What silence means: not that nothing is there."""
        return Unreachable("psql gave no answer")


def _insides(databases: tuple[str, ...], seen: dict[str, str]) -> str:
    """psql text that enters each database that is there, open and not as seen, and says on stderr which. One that refuses ends
    psql."""
    if not databases:
        return ""
    moved = "NOT :'marks'::pg_catalog.jsonb @> :'seen'::pg_catalog.jsonb" if seen.keys() >= set(databases) else "true"
    texts = {"inside": STATIC["observe_inside"], "there": _THERE, "seen": json.dumps(seen)}
    pieces = [
        f"SELECT {', '.join(f'{literal(text)} AS {name}' for name, text in texts.items())} \\gset\n",
        f"SELECT :'modern' AND {moved} AS moved \\gset\n\\if :moved\n",
    ]
    for name in databases:
        pieces.append(f"\\set name {psql_word(name)}\n:there \\gset\n\\if :enter\n\\warn entering :name\n")
        pieces.append(f"{connect(name)}:inside\n\\endif\n")
    return "".join([*pieces, "\\endif\n"])


def _shut(said: list[str]) -> dict[str, str]:
    """The database that psql set out to enter last, with what it then said."""
    found = [(number, entering[1]) for number, line in enumerate(said) if (entering := _ENTERING.fullmatch(line))]
    return {name: _PSQL.sub("", (said[number + 1 :] or ["psql gave no answer"])[0]) for number, name in found[-1:]}
