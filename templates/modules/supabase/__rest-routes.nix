# rest: the REST API, and GraphQL, which is one of its functions.
{ instance, ... }:
let
  rest = "unix:${instance.runtimeDir "rest"}/rest.sock:";
in
{
  routes = { checkKey, checkServiceKey, notFound, pass, ... }: ''
    location = /rest/v1 { ${notFound} }
    location ^~ /rest/v1/ {
      ${checkKey}
      ${pass { prefix = "/rest/v1"; to = "${rest}/"; }}
    }
    # The root describes every table and function: not for anon.
    location = /rest/v1/ {
      ${checkServiceKey "Access to the schema"}
      ${pass { prefix = "/rest/v1"; to = "${rest}/"; }}
    }
    location = /graphql/v1 {
      ${checkKey}
      set $profile graphql_public;
      ${pass { prefix = "/graphql/v1"; to = "${rest}/rpc/graphql"; }}
    }
  '';
}
