"""What a run really did: the project and a machine looked at before and after, told in the words of the announcements."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from tests.host import Machine
from tests.project import Project

#: Everything of a host that a run may touch, and much that it must not. Logs, login records and /tmp are not among them.
TREES = (
    *("/etc", "/boot", "/root", "/var/lib/supabase", "/var/lib/nixos", "/var/lib/systemd/linger"),
    *("/nix/var/nix/profiles", "/nix/var/nix/gcroots", "/run/agenix", "/run/agenix.d", "/run/supabase"),
)
MODULE = "/etc/nixos/supabase/"
_RELOADED = "7b05ebc668384222baa8881179cfda54"

_CATALOGS = r"""
SELECT 'role', r.rolname, sha256(convert_to(concat_ws(' ', to_jsonb(r) - 'oid', m.list, p.list), 'UTF8')), d.description
FROM pg_authid r LEFT JOIN pg_shdescription d ON d.objoid = r.oid AND d.classoid = 'pg_authid'::regclass
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_array(roleid::regrole, admin_option, inherit_option, set_option)
        ORDER BY roleid::regrole::text) AS list
    FROM pg_auth_members WHERE member = r.oid) m ON true
LEFT JOIN LATERAL (SELECT jsonb_agg(parname ORDER BY parname) AS list FROM pg_parameter_acl, aclexplode(paracl)
    WHERE grantee = r.oid AND grantee <> 10) p ON true
UNION ALL
SELECT 'database', t.datname, sha256(convert_to(concat_ws(
    ' ', t.datdba::regrole, t.encoding, t.datconnlimit, t.datallowconn, t.datistemplate, t.datacl, s.list
), 'UTF8')), d.description
FROM pg_database t LEFT JOIN pg_shdescription d ON d.objoid = t.oid AND d.classoid = 'pg_database'::regclass
LEFT JOIN LATERAL (SELECT jsonb_agg(jsonb_build_array(setrole::regrole, setconfig) ORDER BY setrole::regrole::text) AS list
    FROM pg_db_role_setting WHERE setdatabase = t.oid) s ON true
ORDER BY 1, 2
"""
#: One number for the rows of the cluster's own catalogs, or a database's: there without what is PostgreSQL's own and no rights
#: were given on; everywhere without what statistics and vacuum change. pg_dump takes three times as long.
_ROWS = r"""
SELECT string_agg(format(
    'SELECT sum(hashtextextended((to_jsonb(t) - %L::text[])::text, 0)) AS n FROM %s AS t WHERE greatest(%s) >= 16384 OR %L%s',
    '{relpages,reltuples,relallvisible,relallfrozen,relfrozenxid,relminmxid,relhasindex,relhasrules,relhastriggers,
        datfrozenxid,datminmxid}', c.oid::regclass, a.ids, c.relisshared, a.rights), ' UNION ALL ') AS rows
FROM pg_class c CROSS JOIN LATERAL (
    SELECT string_agg(quote_ident(attname), ', ') FILTER (WHERE atttypid = 'oid'::regtype) AS ids,
        string_agg(format(' OR %I IS NOT NULL', attname), '') FILTER (WHERE atttypid = 'aclitem[]'::regtype) AS rights
    FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0) a
WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND c.relisshared = :shared
    AND c.relname NOT IN ('pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject') \gset
SELECT CASE WHEN :shared THEN 'shared' ELSE 'inside ' || current_database() END, sum(n) FROM (:rows) AS every;
"""
_LOOK = rf"""
exec 2>/dev/null
echo "system $(readlink -f /run/current-system)"
echo "profile $(readlink -f /nix/var/nix/profiles/system)"
echo "switches $(journalctl -q -t nixos -o cat | grep -c '^finished switching')"
ls /nix/store | sed 's/^/store /'
systemctl list-units --no-legend --plain --type=service,target,slice,timer,socket,path | awk '{{ print "unit", $1, $3 }}'
# Not `systemctl show` of all of them, which reads every property there is: a fifth of a second.
find /run/systemd/units -name 'invocation:*' -printf 'start %f %l\n' | sed 's/invocation://'
systemctl show --property=Id,InvocationID '*.socket' |
  awk -F= '$1 {{ v[$1] = $2 }} !NF {{ print "start", v["Id"], v["InvocationID"] }}
    END {{ print "start", v["Id"], v["InvocationID"] }}'
journalctl -q MESSAGE_ID={_RELOADED} -o json --output-fields=UNIT | jq -r '"reloaded " + .UNIT'
if [ -S /run/postgresql/.s.PGSQL.5432 ]; then
  sql() {{ runuser -u postgres -- psql -X -qtA -F ' ' -d postgres "$@"; }}
  rows() {{
    printf '\\set shared %s\n' "$1"
    cat <<'SQL'
{_ROWS}
SQL
  }}
  {{
    cat <<'SQL'
{_CATALOGS};
SQL
    rows true
    for database in $(sql -c 'SELECT datname FROM pg_database WHERE datallowconn'); do
      printf '\\connect %s\n' "$database"
      rows false
    done
  }} | sql -f -
fi
"""
#: Units that come and go by themselves: logins, timers of Debian, what a rebuild calls.
_PASSING = re.compile(
    r"(user@|user-runtime-dir@|session|sshd@|run-|nix-daemon|nixos-rebuild-|systemd-|user-|getty|dpkg-|modprobe@|logrotate|supabase-way-back)"
)
#: What every new cluster holds.
_INITIAL = re.compile(r"pg_|postgres$|template[01]$")


@dataclass(frozen=True)
class Unit:
    """`run` tells one start of a service or socket from the next."""

    state: str
    run: str


@dataclass(frozen=True)
class Catalog:
    """Name to digest of everything about it that is shared by the cluster, and its comment."""

    digests: Mapping[str, str]
    comments: Mapping[str, str]


@dataclass(frozen=True)
class Seen:
    """`project`: path to sha256 of the user's own files; `entries`: file of group_data and instance, of each one that is named
    there; `ids`: secret to the id of its value; `files`: `Machine.snapshot` of TREES; `shared`, `insides`: a number for the
    catalogs of the cluster and of each database."""

    project: Mapping[str, str]
    entries: frozenset[tuple[str, str]]
    ids: Mapping[str, str]
    slots: Mapping[str, int]
    files: Mapping[str, str]
    system: str
    profile: str
    switches: int
    store: frozenset[str]
    units: Mapping[str, Unit]
    reloads: Mapping[str, int]
    roles: Catalog
    databases: Catalog
    shared: str
    insides: Mapping[str, str]

    def entries_of(self, name: str) -> list[str]:
        """The files of group_data that name an instance."""
        return [file for file, instance in self.entries if instance == name]

    def running(self, *words: str) -> dict[str, Unit]:
        """The units that carry one of these words in their name."""
        return {name: unit for name, unit in self.units.items() if any(word in name for word in words)}


def look(project: Project, machine: Machine) -> Seen:
    """The project and one of its machines now."""
    lines = [line.partition(" ")[::2] for line in machine.run(_LOOK).stdout.splitlines()]
    one = dict(lines)
    states = dict(rest.split(" ") for key, rest in lines if key == "unit")
    starts = dict(rest.split(" ") for key, rest in lines if key == "start")
    mine = project.files()
    return Seen(
        project={path: sha256(content).hexdigest() for path, content in mine.items()},
        entries=frozenset((path, name) for path, text in mine.items() for name in _instances(path, text)),
        ids={path[8:-5]: json.loads(mine[path])["id"] for path in mine if re.fullmatch(r"secrets/[^.].*\.json", path)},
        slots=json.loads(mine.get("slots.json", b"{}")).get(machine.ip, {}),
        files=machine.snapshot(*TREES),
        system=one["system"],
        profile=one["profile"],
        switches=int(one["switches"]),
        store=frozenset(rest for key, rest in lines if key == "store"),
        units={name: Unit(states[name], starts.get(name, "")) for name in states if not _PASSING.match(name)},
        reloads=Counter(rest for key, rest in lines if key == "reloaded"),
        roles=_catalog(rest for key, rest in lines if key == "role"),
        databases=_catalog((rest for key, rest in lines if key == "database"), whose=3),
        shared=one["shared"] if "database" in one else "",
        insides=dict(rest.split(" ", 1) for key, rest in lines if key == "inside"),
    )


def _instances(path: str, text: bytes) -> Iterator[str]:
    values: dict[str, Any] = {}
    if path.startswith("group_data/"):
        exec(compile(text, path, "exec"), values)
    yield from values.get("instances", {})


def _catalog(lines: Iterator[str], whose: int | None = None) -> Catalog:
    """`whose`: how many words of a comment say whose the thing is and count with it; what follows is a record."""
    rows = [(*line.split(" ", 2), "")[:3] for line in lines]
    digests = {name: " ".join([digest, *comment.split()[:whose]]) for name, digest, comment in rows}
    return Catalog(digests, {name: comment for name, _, comment in rows})


def made(before: Seen, after: Seen) -> set[str]:
    """The changes between two looks, as a run announces them without their details: `prod: start supabase-prod.service`."""
    return set(_made(before, after))


def _made(before: Seen, after: Seen) -> Iterator[str]:
    there = (re.fullmatch(r"instances/(\w+)\.json", path) for path in {**_module(before), **_module(after)})
    named = (name for _, name in {*before.entries, *after.entries})
    names = sorted({*before.slots, *after.slots, *named, *(match[1] for match in there if match)})
    for file, name in sorted(before.entries ^ after.entries):
        yield f"{name}: {'create' if (file, name) in after.entries else 'remove'} entry in {file}"
    edited = {file for file, _ in before.entries ^ after.entries}
    secrets = {*before.project, *after.project}
    for path, verb in _changed(before.project, after.project):
        file = path.removeprefix("secrets/")
        if path in edited:
            continue
        if file.endswith(".age"):
            secret = file.removesuffix(".age")
            if verb == "update" and before.ids.get(secret) == after.ids.get(secret):
                verb = "re-encrypt"
            yield f"{_owner(file, names)}: {verb} {file}"
        elif path.startswith("secrets/") and path.endswith(".nix"):
            yield f"host: {verb} {path}"
        elif path != "slots.json" and not (path.startswith("secrets/") and path.removesuffix("json") + "age" in secrets):
            yield f"project: {verb} {path}"
    for name, verb in _changed(before.slots, after.slots):
        yield f"{name}: {verb} slot {after.slots.get(name, before.slots.get(name))}"
    for path, verb in _changed(_module(before), _module(after)):
        yield f"{_owner(path, names)}: {verb} file {path}"
    for path, verb in _changed(before.files, after.files):
        if marker := re.fullmatch(r"/var/lib/supabase/(\w+)/database-ready", path):
            yield f"{marker[1]}: {verb} marker database-ready"
        directory = re.fullmatch(r"/(var/lib/supabase|var/lib/supabase/dumps|run/supabase)/(\w+)", path)
        if verb == "remove" and directory and directory[2] in names:
            yield f"{directory[2]}: remove directory {path}"
    if before.switches != after.switches:
        yield "host: rebuild the system"
    for kind, old, new in (("role", before.roles, after.roles), ("database", before.databases, after.databases)):
        for name, verb in _changed(old.digests, new.digests):
            if old.digests or not _INITIAL.match(name):
                comment = new.comments.get(name, old.comments.get(name))
                yield f"{_owner(f'{comment} {name}', names)}: {verb} {kind} {name}"
    for name, verb in _changed(before.insides, after.insides):
        if verb != "remove" and (before.insides or not _INITIAL.match(name)):
            yield f"{_owner(name, names)}: {verb} schemas of database {name}"
    for name in sorted({*before.units, *after.units}):
        old_unit, unit = before.units.get(name, Unit("inactive", "")), after.units.get(name, Unit("inactive", ""))
        ours = name.endswith((".service", ".socket")) and not name.startswith("postgresql-setup")
        if ours and (verb := _unit_verb(old_unit, unit)):
            yield f"{_owner(name, names)}: {verb} {name}"
    for name, count in after.reloads.items():
        if count > before.reloads.get(name, 0) and not _PASSING.match(name):
            yield f"{_owner(name, names)}: reload {name}"


def _module(seen: Seen) -> dict[str, str]:
    return {path.removeprefix(MODULE): what for path, what in seen.files.items() if path.startswith(MODULE) and what[0] == "f"}


def _unit_verb(before: Unit, after: Unit) -> str:
    if before.state != "active":
        return "start" if after.state == "active" else ""
    if after.state != "active":
        return "stop"
    return "restart" if before.run != after.run else ""


def _changed(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for path in sorted({*before, *after}):
        if before.get(path) != after.get(path):
            yield path, "create" if path not in before else "remove" if path not in after else "update"


def _owner(thing: str, instances: list[str]) -> str:
    """The instance a file, role or unit belongs to by its name, else `host`."""
    match = re.search(r"supabase: instance (\w+)|supabase[-_]([a-z0-9]+)(?=[-_.]|$)|instances/([a-z0-9]+)\.json", thing)
    name = next(filter(None, match.groups()), "") if match else ""
    return name if name in instances else "host"
