"""Text for psql: the two ways a value is quoted, the guarded superuser session, and the line that brings verifiers."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from desired.errors import SecretStop

#: The static SQL by name; those called `pgrst_…` are the bodies of functions.
STATIC: Final[Mapping[str, str]] = {
    path.stem: path.read_text(encoding="utf-8") for path in (Path(__file__).parent.parent / "templates/sql").glob("*.sql")
}

#: The only form of password that PostgreSQL stores as it is; any other text it would hash as a plaintext.
VERIFIER = re.compile(r"SCRAM-SHA-256\$4096:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+")

#: -X no psqlrc, -w never a prompt; a failing statement ends the run and its text is not shown (pyinfra prints what failed).
PSQL_ARGUMENTS = (
    *("-X", "-A", "-t", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse", "-v", "SHOW_CONTEXT=never"),
    *("-d", "postgres", "-f", "-"),
)

#: They hold from the first statement of every connection, `\connect` included, and win over ALTER DATABASE and ALTER ROLE.
#: Names resolve in pg_catalog only; no channel of the server that keeps statements gets one (pgaudit is the administrator's
#: own and stays); a lock that an instance holds ends the run instead of hanging it.
OPTIONS: Mapping[str, str] = {
    "search_path": "pg_catalog,pg_temp",
    "standard_conforming_strings": "on",
    "client_min_messages": "warning",
    "lc_messages": "C",
    "default_transaction_read_only": "off",
    "lock_timeout": "30s",
    "jit": "off",
    "log_statement": "none",
    "log_min_error_statement": "panic",
    # Else the text of a failing EXECUTE reaches the log as QUERY and CONTEXT.
    "log_error_verbosity": "terse",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_duration": "off",
    "debug_print_parse": "off",
    "debug_print_rewritten": "off",
    "debug_print_plan": "off",
    "track_activities": "off",
    "auto_explain.log_min_duration": "-1",
    "pg_stat_statements.track": "none",
}


def literal(value: str) -> str:
    """`value` as an SQL literal, right under either setting of standard_conforming_strings.

    Raises ValueError for what PostgreSQL's text cannot hold: NUL and lone surrogates.
    """
    value.encode()
    if "\x00" in value:
        raise ValueError("PostgreSQL's text holds no NUL")
    quoted = "'" + value.replace("'", "''").replace("\\", "\\\\") + "'"
    return f"E{quoted}" if "\\" in value else quoted


def psql_word(value: str) -> str:
    """`value` as one argument of a psql command such as `\\connect`: no variable, backquote or line end in it takes effect.

    Raises ValueError as `literal` does.
    """
    value.encode()
    if "\x00" in value:
        raise ValueError("an argument of psql holds no NUL")
    quoted = value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{quoted}'"


def connect(database: str) -> str:
    """The psql line that goes on in `database` with the same user, socket and options.

    Raises ValueError as `literal` does, and for no name at all, which psql would take for the user's.
    """
    if not database:
        raise ValueError("a database has a name")
    # As a connection string: a bare name with `=` in it, or one like a URI, would be read as one.
    conninfo = "dbname='" + database.replace("\\", "\\\\").replace("'", "\\'") + "'"
    # psql strips double quotes from this command's arguments as from an SQL name, even inside single quotes.
    identifier = '"' + conninfo.replace('"', '""') + '"'
    return f"\\connect -reuse-previous=on {psql_word(identifier)}\n"


def setting(name: str, value: Any) -> str:
    """The statement that gives static SQL its data: `value` as JSON in the custom setting `name`."""
    return f"SET {name} = {literal(json.dumps(value, sort_keys=True, separators=(',', ':')))};\n"


def session(run_as: Sequence[str] = (), psql: str = "psql", connection: Sequence[str] = ()) -> str:
    """Shell text that runs psql as superuser with the SQL of its stdin.

    `run_as`: words before, such as `runuser -u postgres --`; `connection`: psql's own -h, -p and -U.
    """
    options = " ".join(f"-c {name}={value}" for name, value in OPTIONS.items())
    environment = ("env", "LC_ALL=C", "PGCLIENTENCODING=UTF8", "PGCONNECT_TIMEOUT=10", f"PGOPTIONS={options}")
    return shlex.join([*run_as, *environment, psql, *PSQL_ARGUMENTS, *connection])


def verifier_line(verifiers: Mapping[str, str]) -> str:
    """The first line of a stream, from verifiers (login to verifier) that are in this process's memory.

    Raises SecretStop, naming the login only, for what is no SCRAM-SHA-256 verifier.
    """
    for login, verifier in verifiers.items():
        if not VERIFIER.fullmatch(verifier):
            raise SecretStop(f"role {login}: the secret of its verifier is no SCRAM verifier; run `just supabase-status`")
    return setting("supabase.verifiers", dict(verifiers))


def with_verifiers(paths: Mapping[str, str], session: str) -> str:
    """Shell text that runs `session` with a first line composed on the host from files (login to path), then its own stdin.

    A value passes only through shell builtins: it is in no argument list, environment or file. A file that is missing or
    holds anything but one verifier ends it with status 1 before psql starts.
    """
    if not paths:
        return session
    reads = "\n".join(f"verifier {shlex.quote(name)} {shlex.quote(path)}" for name, path in sorted(paths.items()))
    return f"""{_COMPOSE}
{reads}
{{ printf "SET supabase.verifiers = '{{%s}}';\\n" "$pairs"; cat; }} | {session}"""


_COMPOSE = r"""set -ef
LC_ALL=C
pairs=
refuse() { printf '%s: %s holds no SCRAM verifier\n' "$1" "$2" >&2; exit 1; }
base64() { case $1 in ''|*[!A-Za-z0-9+/=]*) return 1;; esac; }
verifier() {
    value= more=
    { { IFS= read -r value || [ -n "$value" ]; } && ! IFS= read -r more && [ -z "$more" ]; } <"$2" || refuse "$1" "$2"
    case $value in 'SCRAM-SHA-256$4096:'*'$'*:*) ;; *) refuse "$1" "$2";; esac
    rest=${value#'SCRAM-SHA-256$4096:'}
    keys=${rest#*'$'}
    { base64 "${rest%%'$'*}" && base64 "${keys%%:*}" && base64 "${keys#*:}"; } || refuse "$1" "$2"
    pairs="$pairs${pairs:+,}\"$1\":\"$value\""
}"""
