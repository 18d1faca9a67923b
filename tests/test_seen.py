"""The observer of every converge test sees each kind of change in PostgreSQL, and nothing where there is none."""

import pytest

from tests.converge import differences
from tests.host import Machine
from tests.lab import Lab, bare
from tests.seen import look

TABLE = "CREATE TABLE notes (id int PRIMARY KEY, body text);"


@pytest.fixture(scope="module")
def lab(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    lab = bare(shared_machine, tmp_path_factory.mktemp("seen"))
    _psql(lab, "CREATE ROLE owner; CREATE DATABASE shop OWNER owner;", database="postgres")
    _psql(lab, f"{TABLE} CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'; INSERT INTO notes VALUES (1, 'x');")
    return lab


def _psql(lab: Lab, sql: str, database: str = "shop") -> None:
    lab.machine.run(f"runuser -u postgres -- psql -X -q -v ON_ERROR_STOP=1 -d {database} -f -", stdin=sql)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE SCHEMA other;",
        "ALTER SCHEMA public OWNER TO owner;",
        "GRANT CREATE ON SCHEMA public TO PUBLIC;",
        "ALTER TABLE notes ADD COLUMN extra int;",
        "ALTER TABLE notes ENABLE ROW LEVEL SECURITY;",
        "CREATE POLICY all_of_it ON notes USING (true);",
        "GRANT SELECT (body) ON notes TO owner;",
        "ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT SELECT ON TABLES TO PUBLIC;",
        "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 2';",
        "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(double precision) FROM PUBLIC;",
        "COMMENT ON TABLE notes IS 'of the shop';",
        "CREATE PUBLICATION news FOR TABLE notes;",
        "CREATE TRIGGER stop BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();",
    ],
)
def test_inside_one_database(lab: Lab, sql: str) -> None:
    before = look(lab.project, lab.machine)
    _psql(lab, sql)
    found = differences(before, look(lab.project, lab.machine))
    # what belongs to a role, or is granted to one, the cluster knows too
    assert found.keys() - {"shared"} == {"insides"}
    inside = found["insides"]
    assert isinstance(inside, dict)
    assert inside.keys() == {"shop"}


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE ROLE another;",
        "ALTER ROLE postgres SET work_mem = '8MB';",
        "ALTER ROLE owner PASSWORD 'x';",
        "GRANT pg_monitor TO owner;",
        "ALTER DATABASE shop CONNECTION LIMIT 7;",
        "ALTER DATABASE shop SET work_mem = '8MB';",
        "GRANT SET ON PARAMETER work_mem TO owner;",
        "COMMENT ON ROLE owner IS 'of the shop';",
    ],
)
def test_what_the_cluster_shares(lab: Lab, sql: str) -> None:
    before = look(lab.project, lab.machine)
    _psql(lab, sql)
    found = differences(before, look(lab.project, lab.machine))
    assert "shared" in found
    assert found.keys() <= {"shared", "roles", "databases"}


@pytest.mark.parametrize("sql", ["SELECT count(*) FROM notes;", "VACUUM FREEZE ANALYZE;", "INSERT INTO notes (id) VALUES (2);"])
def test_what_changes_no_catalog(lab: Lab, sql: str) -> None:
    before = look(lab.project, lab.machine)
    _psql(lab, sql)
    assert not differences(before, look(lab.project, lab.machine))
