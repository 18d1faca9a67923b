# auth: users and sessions.
{ lib, instance }:
let
  auth = "127.0.0.1:${toString instance.ports.auth}";

  # Where browsers come without a key: links in mails, redirects of identity providers, public keys.
  open = map (path: { inherit path; public = "/auth/v1${path}"; })
    [ "/verify" "/callback" "/authorize" "/.well-known/jwks.json" "/sso/saml/acs" "/sso/saml/metadata" ]
  # RFC 8414 puts this name before the issuer's path; clients that do not know the path ask at the root.
  ++ map (issuer: rec { path = "/.well-known/oauth-authorization-server"; public = "${path}${issuer}"; }) [ "/auth/v1" "" ];
in
{
  routes = { checkKey, notFound, pass, ... }: ''
    location = /auth/v1 { ${notFound} }
    location ^~ /auth/v1/ {
      ${checkKey}
      ${pass { prefix = "/auth/v1"; to = "${auth}/"; }}
    }
    ${lib.concatMapStringsSep "\n" ({ path, public }: ''
      location = ${public} {
        ${pass { prefix = "/auth/v1"; to = "${auth}${path}"; }}
      }'') open}
  '';
}
