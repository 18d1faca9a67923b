"""The edge: which vhosts, entries and ports the module asks the host for. What they do: tests/test_edge.py."""

import pytest

from tests.nix.evaluation import Json, Lab, Library, instance

#: The options of the home repository's module, as far as an entry has them.
GATEWAY = """
options.media.gateway = {
  enable = lib.mkOption { type = lib.types.bool; default = false; };
  domain = lib.mkOption { type = lib.types.str; };
  services = lib.mkOption {
    default = { };
    type = lib.types.attrsOf (lib.types.submodule { options = {
      enable = lib.mkOption { type = lib.types.bool; default = true; };
      name = lib.mkOption { type = lib.types.str; };
      host = lib.mkOption { type = lib.types.str; default = "cloud"; };
      port = lib.mkOption { type = lib.types.int; };
      settings = lib.mkOption {
        default = { };
        type = lib.types.submodule { options = lib.genAttrs [ "bypassAuth" "cors" "funnel" "insecureTls" ]
          (name: lib.mkOption { type = lib.types.bool; default = false; }); };
      };
    }; });
  };
};
"""
ENABLED = """media.gateway = { enable = true; domain = "example.org"; };"""
VHOSTS = {"supabase.example.org": "127.0.0.1:8000", "supabase-dev.example.org": "127.0.0.1:8001"}


@pytest.fixture
def lab(lab: Lab) -> Lab:
    """A host for which nobody has chosen an edge."""
    lab.host(edge=None)
    return lab


def with_gateway(config: str) -> str:
    return f"{{ lib, ... }}: {{ {GATEWAY} config = {{ {config} }}; }}"


def edge(lab: Lab, library: Library, configuration: str) -> Json:
    result = lab.evaluate(library, configuration)
    assert result["failed"] == []
    found: Json = result["system"]["edge"]
    return found


def test_caddy_is_the_default(lab: Lab, library: Library) -> None:
    lab.put("off", instance("off", 2, enable=False))
    found = edge(lab, library, """{ constellation.supabase.acmeEmail = "me@example.org"; }""")
    assert found["caddy"]["enable"]
    assert found["caddy"]["email"] == "me@example.org"
    proxied = {name: vhost["extraConfig"].split()[1] for name, vhost in found["caddy"]["virtualHosts"].items()}
    assert proxied == VHOSTS
    assert found["firewall"] == {"allowedTCPPorts": [80, 443], "allowedUDPPorts": [443]}
    assert (found["nginx"]["enable"], found["gateway"]) == (False, None)


def test_nginx(lab: Lab, library: Library) -> None:
    found = edge(lab, library, """{ constellation.supabase = { edge = "nginx"; acmeEmail = "me@example.org"; }; }""")
    vhosts = found["nginx"]["virtualHosts"]
    assert {name: vhost["locations"]["/"]["proxyPass"] for name, vhost in vhosts.items()} == {
        name: f"http://{gateway}" for name, gateway in VHOSTS.items()
    }
    assert all(vhost["enableACME"] and vhost["forceSSL"] and list(vhost["locations"]) == ["/"] for vhost in vhosts.values())
    assert found["acme"]["defaults"]["email"] == "me@example.org"
    assert found["firewall"] == {"allowedTCPPorts": [80, 443], "allowedUDPPorts": []}
    assert not found["caddy"]["enable"]


def test_media_gateway_where_the_host_has_it(lab: Lab, library: Library) -> None:
    found = edge(lab, library, with_gateway(ENABLED))
    settings = {"bypassAuth": True, "cors": False, "funnel": False, "insecureTls": False}
    assert found["gateway"] == {
        "supabase-prod": {"enable": True, "name": "supabase", "host": "127.0.0.1", "port": 8000, "settings": settings},
        "supabase-dev": {"enable": True, "name": "supabase-dev", "host": "127.0.0.1", "port": 8001, "settings": settings},
    }
    assert found["firewall"] == {"allowedTCPPorts": [], "allowedUDPPorts": []}
    assert not found["caddy"]["enable"]
    assert {vhost["logFormat"] for vhost in found["caddy"]["virtualHosts"].values()} == {"output discard"}
    assert {vhost["extraConfig"] for vhost in found["caddy"]["virtualHosts"].values()} == {""}


def test_another_edge_beside_media_gateway(lab: Lab, library: Library) -> None:
    found = edge(lab, library, with_gateway("""constellation.supabase.edge = "nginx";"""))
    assert found["gateway"] == {}
    assert set(found["nginx"]["virtualHosts"]) == set(VHOSTS)


def test_none(lab: Lab, library: Library) -> None:
    found = edge(lab, library, """{ constellation.supabase.edge = "none"; }""")
    assert (found["caddy"]["enable"], found["caddy"]["virtualHosts"]) == (False, {})
    assert (found["nginx"]["enable"], found["nginx"]["virtualHosts"]) == (False, {})
    assert found["firewall"] == {"allowedTCPPorts": [], "allowedUDPPorts": []}


def test_authelia_is_asked_in_every_vhost(lab: Lab, library: Library) -> None:
    """With media.gateway too: its vhosts and ours are one."""
    authelia = """constellation.supabase.authelia = "http://127.0.0.1:9091";"""
    for configuration in (f"{{ {authelia} }}", with_gateway(authelia + ENABLED)):
        for vhost in edge(lab, library, configuration)["caddy"]["virtualHosts"].values():
            assert "forward_auth @dashboard http://127.0.0.1:9091 {" in vhost["extraConfig"]
    nginx = edge(lab, library, f"""{{ {authelia} constellation.supabase.edge = "nginx"; }}""")["nginx"]
    for vhost in nginx["virtualHosts"].values():
        protected = [path for path, location in vhost["locations"].items() if "auth_request /" in location["extraConfig"]]
        assert protected == ["/"]


def test_the_hosts_own_certificate_and_log(lab: Lab, library: Library) -> None:
    """What the module asks for is a default."""
    certificate = """services.nginx.virtualHosts."supabase.example.org".enableACME = false;"""
    found = edge(lab, library, f"""{{ constellation.supabase.edge = "nginx"; {certificate} }}""")
    assert not found["nginx"]["virtualHosts"]["supabase.example.org"]["enableACME"]
    log = """services.caddy.virtualHosts."supabase.example.org".logFormat = "output stderr";"""
    assert edge(lab, library, f"{{ {log} }}")["caddy"]["virtualHosts"]["supabase.example.org"]["logFormat"] == "output stderr"


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ("""{ constellation.supabase.edge = "gateway"; }""", "the host has no module media.gateway"),
        (with_gateway(""), "media.gateway is not enabled: set media.gateway.enable = true"),
        (
            with_gateway(ENABLED.replace("example.org", "example.net")),
            "media.gateway serves example.net, the instances' domain is",
        ),
        ("""{ services.nginx = { enable = true; virtualHosts."a.example.org" = { }; }; }""", "has the ports 80 and 443"),
        (
            """{ services.nginx = { enable = true; virtualHosts.a.listen = [ { addr = "[::]"; port = 443; } ]; }; }""",
            "has the ports 80 and 443",
        ),
        (
            """{ constellation.supabase = { edge = "none"; authelia = "http://127.0.0.1:9091"; }; }""",
            "authelia: without an edge nobody asks it",
        ),
    ],
)
def test_refused(lab: Lab, library: Library, configuration: str, message: str) -> None:
    refused = [text for text in lab.evaluate(library, configuration)["failed"] if text.startswith("constellation.supabase.")]
    assert len(refused) == 1
    assert message in refused[0]


def test_nginx_elsewhere_is_no_matter(lab: Lab, library: Library) -> None:
    elsewhere = """virtualHosts.a.listen = [ { addr = "127.0.0.1"; port = 8081; } ];"""
    assert edge(lab, library, f"{{ services.nginx = {{ enable = true; {elsewhere} }}; }}")["caddy"]["enable"]
