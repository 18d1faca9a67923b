"""The real services on databases that the project has made: auth's migrations from its sources, storage-api built from its own.

Their sources are no part of this repository nor of what CI can install: SUPABASE_AUTH_SRC names a clone of auth,
SUPABASE_STORAGE_SRC one of storage that is built; docs/testing.md says how. Without them these tests skip, in CI too.
"""

import base64
import http.client
import json
import os
import pwd
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
from storage3.exceptions import StorageApiError
from supabase import ClientOptions, create_client

from tests import containers, npm
from tests.api import Api
from tests.clusters import case
from tests.host import Machine
from tests.lab import bare
from tests.pg import MAJORS, Server, server

#: pop, which runs them, wraps each in a transaction and keeps its record in the search path's first schema.
NAMESPACE = re.compile(r"\{\{ *index *\.Options *\"Namespace\" *\}\}")
ONE = case("prod")

#: What an application does with users once auth has made its tables, as the owner.
USES_AUTH = """
CREATE TABLE profiles (id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE, name text);
ALTER TABLE profiles ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON profiles TO authenticated USING (id = auth.uid());
CREATE FUNCTION public.new_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS
    $$ BEGIN INSERT INTO public.profiles (id, name) VALUES (new.id, new.email); RETURN new; END $$;
CREATE TRIGGER new_user AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.new_user();
"""
SIGN_UP = """
INSERT INTO auth.users (id, email) VALUES
    ('00000000-0000-0000-0000-00000000000a', 'ada@example.org'), ('00000000-0000-0000-0000-00000000000b', 'bob@example.org');
"""
AS_ADA = """
SET SESSION AUTHORIZATION supabase_prod_authenticator; SET ROLE authenticated;
SET request.jwt.claims = '{"sub": "00000000-0000-0000-0000-00000000000a", "role": "authenticated"}';
SELECT name FROM profiles;
"""


def sources(variable: str, proof: str) -> Path:
    """The checkout that the environment names."""
    if not (named := os.environ.get(variable)):
        pytest.skip(f"{variable} names no checkout")
    if not (Path(named) / proof).exists():
        pytest.fail(f"{variable}={named} has no {proof}")
    return Path(named)


@pytest.fixture(scope="module", params=sorted(MAJORS))
def pg(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A cluster with an instance's database as the run makes it."""
    if not {"SUPABASE_AUTH_SRC", "SUPABASE_STORAGE_SRC"} & os.environ.keys():
        pytest.skip("neither SUPABASE_AUTH_SRC nor SUPABASE_STORAGE_SRC names a checkout")
    with server(request.param, ident=[f"supabase {pwd.getpwuid(os.geteuid()).pw_name} supabase_prod_storage"]) as made:
        ONE.converge(made)
        yield made


def run_as(pg: Server, login: str, sql: str) -> str:
    """As that login, which enters by peer on a host: a superuser can become it."""
    result = pg.psql(f"SET SESSION AUTHORIZATION {login};\n{sql}", database="supabase_prod")
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_auth_s_migrations(pg: Server) -> None:
    """All of them as auth's own login; then the project finds nothing to repair, and an application uses what they made."""
    files = sorted((sources("SUPABASE_AUTH_SRC", "migrations") / "migrations").glob("*.up.sql"))
    assert len(files) >= 70
    for file in files:
        # Settings of the login in its database come with a login only
        run_as(pg, "supabase_prod_auth", f"SET search_path = auth; BEGIN;\n{NAMESPACE.sub('auth', file.read_text())}\n;COMMIT;")
    print(f"auth on PostgreSQL {pg.query('SHOW server_version')}: {len(files)} of {len(files)} migrations")
    assert ONE.plan(pg) == ()
    run_as(pg, "supabase_prod", f"SET search_path = public, extensions; {USES_AUTH}")
    run_as(pg, "supabase_prod_auth", SIGN_UP)
    assert pg.query(AS_ADA, database="supabase_prod") == "ada@example.org"


def test_storage_s_migrations(pg: Server, tmp_path: Path) -> None:
    """It makes them when it starts, as its own login by peer; then the project finds nothing to repair."""
    place = sources("SUPABASE_STORAGE_SRC", "dist/start/server.js")
    files = sorted((place / "migrations/tenant").glob("*.sql"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": f"postgres://supabase_prod_storage@localhost:{pg.port}/supabase_prod?host={pg.directory}",
        "DB_INSTALL_ROLES": "false",
        "SERVER_HOST": "127.0.0.1",
        "SERVER_PORT": str(port),
        "TENANT_ID": "prod",
        "REGION": "local",
        "GLOBAL_S3_BUCKET": "prod",
        "STORAGE_BACKEND": "file",
        "FILE_STORAGE_BACKEND_PATH": str(tmp_path),
        "FILE_SIZE_LIMIT": "1000",
        **dict.fromkeys(("AUTH_JWT_SECRET", "ANON_KEY", "SERVICE_KEY"), "x" * 40),
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(npm.node()), str(place / "dist/start/server.js")], cwd=place, env=environment, stdout=log, stderr=log
        )
    try:
        end = time.monotonic() + 60
        while not answers(port):
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail((tmp_path / "log").read_text()[-2000:])
            time.sleep(0.1)
    finally:
        process.terminate()
        process.wait(20)
    ran = pg.query("SELECT count(*) || ' ' || max(id) FROM storage.migrations", database="supabase_prod")
    print(f"storage on PostgreSQL {pg.query('SHOW server_version')}: {ran.split()[0]} migrations")
    # The first of them is not among the files: it makes the table they are recorded in
    assert ran == f"{len(files) + 1} {len(files)}"
    assert ONE.plan(pg) == ()


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/status")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


OWN_FOLDER = """
CREATE POLICY own ON storage.objects TO authenticated
    USING (bucket_id = 'supabase-storage'
        AND (storage.foldername(name))[1] = (current_setting('request.jwt.claims', true)::json ->> 'sub'));
CREATE POLICY visitors ON storage.objects FOR SELECT TO anon USING (bucket_id = 'open');
"""
S3 = """
const { S3Client, ListBucketsCommand, PutObjectCommand, GetObjectCommand } = require("@aws-sdk/client-s3");
const http = require("http");
const { url, port, id, secret, body } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const httpAgent = new http.Agent();
httpAgent.createConnection = () => require("net").connect(port, "127.0.0.1");
const client = new S3Client({ endpoint: url, region: "local", forcePathStyle: true, maxAttempts: 1,
  requestHandler: { httpAgent }, credentials: { accessKeyId: id, secretAccessKey: secret } });
(async () => {
  const { Buckets } = await client.send(new ListBucketsCommand({}));
  await client.send(new PutObjectCommand({ Bucket: "supabase-storage", Key: "s3/a b+(1)*'!.txt", Body: body }));
  const got = await client.send(new GetObjectCommand({ Bucket: "supabase-storage", Key: "s3/a b+(1)*'!.txt" }));
  console.log(JSON.stringify([Buckets.map((bucket) => bucket.Name).sort(), await got.Body.transformToString()]));
})();
"""
ADA, BOB = (f"00000000-0000-0000-0000-00000000000{letter}" for letter in "ab")


@dataclass(frozen=True)
class Files:
    """Storage of prod, behind a local port; dev has the same."""

    prod: Api
    dev: Api
    port: int
    checkout: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def of(self, user: str, key: str = "") -> Any:
        """The default bucket as a user, or with a key alone."""
        anon = self.prod.secret("anon")
        headers = {}
        if user:
            claims = {"role": "authenticated", "sub": user, "exp": int(time.time()) + 600}
            kid = jwt.get_unverified_header(anon)["kid"]
            headers["Authorization"] = f"Bearer {jwt.encode(claims, self.prod.secret('jwt'), headers={'kid': kid})}"
        return create_client(self.url, key or anon, ClientOptions(headers=headers)).storage.from_("supabase-storage")


@pytest.fixture(scope="module")
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    """storage-api in the place of its image on a host, deployed by a run that makes its bucket."""
    place = sources("SUPABASE_STORAGE_SRC", "dist/start/server.js")
    machine: Machine = request.getfixturevalue("shared_machine")
    parts = tuple(place / name for name in ("dist", "migrations", "node_modules", "package.json"))
    run = "cd /opt/images/storage && exec /opt/node dist/start/server.js"
    containers.install(machine, [containers.Image("storage", run, parts)])
    lab = bare(machine, tmp_path_factory.mktemp("files"))
    lab.project.data["instance_defaults"] = {"profile": "api", "services": {"storage": True, "imgproxy": False}}
    lab.project.write()
    first = lab.project.converge()
    assert first.status == 0, first.output
    again = lab.project.converge()
    assert again.unchanged, again.output
    prod, dev = (Api(lab.project, machine, name) for name in ("prod", "dev"))
    prod.psql(OWN_FOLDER)
    with prod.forward() as port:
        yield Files(prod, dev, port, place)


def test_files_under_row_level_security(files: Files) -> None:
    """Each user in a folder of their own, by supabase-py through the gateway, with the keys the run made."""
    path, body = f"{ADA}/a b&(1)+@=;'!.txt", os.urandom(300_000)
    ada, bob, visitor, service = files.of(ADA), files.of(BOB), files.of(""), files.of("", files.prod.secret("service"))
    ada.upload(path, body, {"content-type": "text/x-greeting"})
    assert ada.download(path) == service.download(path) == body
    assert [item["name"] for item in ada.list(ADA)] == ["a b&(1)+@=;'!.txt"]
    assert bob.list(ADA) == visitor.list(ADA) == []
    for stranger in (bob, visitor, files.of("", files.dev.secret("anon")), files.of("", files.dev.secret("service"))):
        with pytest.raises(StorageApiError):
            stranger.download(path)
        with pytest.raises(StorageApiError):
            stranger.upload(f"{ADA}/stranger.txt", b"x")
    with pytest.raises(StorageApiError, match="security policy"):
        bob.upload(f"{ADA}/stranger.txt", b"x")
    signed = urlsplit(ada.create_signed_url(path, 60)["signedURL"])
    status, headers, text = request(files.port, "GET", f"{signed.path}?{signed.query}")
    assert (status, headers["Content-Type"], text == body) == (200, "text/x-greeting", True)
    assert request(files.port, "GET", f"{signed.path}?{signed.query}x")[0] == 400
    ada.remove([path])
    with pytest.raises(StorageApiError):
        service.download(path)


def test_a_resumable_upload(files: Files) -> None:
    """By TUS, in two parts: storage names the address to go on at, as it is from outside."""
    key, body = files.prod.secret("service"), os.urandom(200_000)
    names = {"bucketName": "supabase-storage", "objectName": "tus/large", "contentType": "application/x-large"}
    about = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in names.items())
    tus = {"apikey": key, "Tus-Resumable": "1.0.0"}
    status, headers, _ = request(
        files.port, "POST", "/storage/v1/upload/resumable", None, **tus, Upload_Length=str(len(body)), Upload_Metadata=about
    )
    assert status == 201
    there = urlsplit(headers["Location"])
    assert f"{there.scheme}://{there.netloc}" == "https://supabase.example.org"
    assert there.path.startswith("/storage/v1/upload/resumable/")
    kind = {"Content_Type": "application/offset+octet-stream"}
    assert request(files.port, "PATCH", there.path, body[:70_000], **tus, **kind, Upload_Offset="0")[0] == 204
    assert request(files.port, "HEAD", there.path, None, **tus)[1]["Upload-Offset"] == "70000"
    assert request(files.port, "PATCH", there.path, body[70_000:], **tus, **kind, Upload_Offset="70000")[0] == 204
    assert files.of("", key).download("tus/large") == body


def test_an_s3_client(files: Files) -> None:
    """Its signature survives the gateway; another instance's key opens nothing."""
    for api, expected in ((files.prod, [["supabase-storage"], "by S3"]), (files.dev, None)):
        id_, secret = api.secret("s3").split(":")
        # Storage takes the gateway's word for the host name that was signed: the instance's own
        url = "http://supabase.example.org/storage/v1/s3"
        told = {"url": url, "port": files.port, "id": id_, "secret": secret, "body": "by S3"}
        done = subprocess.run(
            [str(npm.node()), "-e", S3],
            input=json.dumps(told),
            env={"NODE_PATH": str(files.checkout / "node_modules")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (json.loads(done.stdout) if done.returncode == 0 else None) == expected, done.stderr
        assert expected or "AccessDenied" in done.stderr


def request(
    port: int, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """`_` in a header's name stands for a dash."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    result = answer.status, answer.headers, answer.read()
    connection.close()
    return result
