"""Keys, passwords and tokens of one instance at the gateway and the REST API of another."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import jwt

from desired.numbers import public_port
from desired.tokens import kid
from tests.attacks import Result
from tests.walls import SERVICES, World

#: Paths that the gateway itself guards, and whether only the service key opens them. What auth, storage and realtime check
#: themselves cannot be seen at a stand-in.
GUARDED = {
    "/rest/v1/notes?select=body": False,
    "/graphql/v1": False,
    "/auth/v1/health": False,
    "/auth/v1/admin/users": False,
    "/realtime/v1/websocket": False,
    "/realtime/v1/api/broadcast": False,
    "/rest/v1/": True,
    "/realtime/v1/health": True,
    "/pg/tables": True,
    "/pg/query": True,
}
DEMO = "your-super-secret-jwt-token-with-at-least-32-characters-long"


@dataclass(frozen=True)
class Request:
    kind: str
    actor: str
    target: str
    headers: tuple[str, ...] = ()
    login: str = ""
    socket: str = ""


def asked(world: World, requests: Sequence[Request]) -> list[Result]:
    """One curl on the host; an answer of the kind 2xx is a success. Keys go to it on stdin."""
    text = []
    for number, one in enumerate(requests):
        lines = [f'url = "{one.target}"', 'output = "/dev/null"', "max-time = 10", f'write-out = "{number} %{{http_code}}\\n"']
        lines += [f'header = "{header}"' for header in one.headers]
        lines += [f'user = "{one.login}"'] if one.login else []
        lines += [f'unix-socket = "{one.socket}"'] if one.socket else []
        text.append("\n".join(lines))
    said = world.machine.run("curl --silent --config -", stdin="\nnext\n".join(text) + "\n", check=False, timeout=120).stdout
    codes = dict(line.split() for line in said.splitlines())
    assert len(codes) == len(requests)
    where = {one: one.target.partition("?")[0] for one in requests}
    return [Result(one.kind, one.actor, where[one], codes[str(n)].startswith("2")) for n, one in enumerate(requests)]


def keyed(world: World, whose: str, name: str) -> Iterator[Request]:
    """`whose` keys and password at `name`'s gateway."""
    base = f"http://127.0.0.1:{public_port(world.slots[name])}"
    for kind, (path, service) in product(("anon", "service"), GUARDED.items()):
        if service and kind == "anon" and whose == name:
            continue
        if len(SERVICES[name]) == 2 and not path.startswith("/rest"):
            continue
        if whose == name and path in ("/graphql/v1", "/pg/query"):
            continue
        key, and_ = world.secret(whose, kind), "&" if "?" in path else "?"
        who = f"{kind} key of {whose}"
        yield Request("http: key in a header", who, base + path, (f"apikey: {key}",))
        yield Request("http: key in the query", who, f"{base}{path}{and_}apikey={key}")
        yield Request("http: key and token", who, base + path, (f"apikey: {key}", f"Authorization: Bearer {key}"))
    if "studio" in SERVICES[name] and "studio" in SERVICES[whose]:
        login = f"supabase:{world.secret(whose, 'dashboard')}"
        for path in ("/api/platform/profile", "/project/default", "/"):
            yield Request("http: Studio's password", f"password of {whose}", base + path, login=login)


def forged(world: World, whose: str, name: str) -> Iterator[Request]:
    """Tokens that `whose` secret signs, at `name`'s gateway with the anon key of `name`, and at its REST API's own socket."""
    base = f"http://127.0.0.1:{public_port(world.slots[name])}"
    anon, later, right = world.secret(name, "anon"), int(time.time()) + 600, world.secret(name, "jwt")
    roles = ("service_role", "authenticated", "anon", f"supabase_{name}", "postgres")
    secrets = {f"secret of {whose}": world.secret(whose, "jwt")}
    tokens: list[tuple[str, str]] = []
    if whose == name:
        tokens = [("the right secret", jwt.encode({"role": role, "exp": later}, right)) for role in roles[:3]]
        tokens += [("the right secret", jwt.encode({"role": roles[0], "exp": later}, right, headers={"kid": kid(right)}))]
    else:
        secrets |= {"the anon key": anon, "Supabase's example": DEMO}
        for (who, secret), role in product(secrets.items(), roles):
            kids = (None, kid(secret), kid(right))
            for named, algorithm in product(kids, ("HS256", "HS512")):
                claims = {"role": role, "iss": "supabase", "exp": later}
                tokens.append((who, jwt.encode(claims, secret, algorithm=algorithm, headers={"kid": named} if named else None)))
        tokens += [("no signature", jwt.encode({"role": role, "exp": later}, "", algorithm="none")) for role in roles]
        tokens += [(f"service key of {whose}", world.secret(whose, "service"))]
        tokens += [("the right secret, too late", jwt.encode({"role": role, "exp": 1}, right)) for role in roles]
    for who, token in tokens:
        header = f"Authorization: Bearer {token}"
        yield Request("http: token at the gateway", who, f"{base}/rest/v1/notes?select=body", (f"apikey: {anon}", header))
        socket = f"/run/supabase/{name}/rest/rest.sock"
        yield Request("http: token at the REST API", who, "http://rest/notes?select=body", (header,), socket=socket)


def until_served(world: World) -> None:
    """PostgREST reads its schema again shortly after it is told to."""
    requests = []
    for name in world.apis:
        url = f"http://127.0.0.1:{public_port(world.slots[name])}/rest/v1/notes"
        requests.append(Request("", "", url, (f"apikey: {world.secret(name, 'service')}",)))
    end = time.monotonic() + 30
    while not all(result.won for result in asked(world, requests)):
        assert time.monotonic() < end
        time.sleep(0.2)
