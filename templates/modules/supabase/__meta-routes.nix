# meta: SQL as the owner, without a login of its own. The gateway alone guards it.
{ instance, ... }:
{
  routes = { checkServiceKey, notFound, pass, ... }: ''
    location = /pg { ${notFound} }
    location ^~ /pg/ {
      ${checkServiceKey "postgres-meta"}
      ${pass { prefix = "/pg"; to = "127.0.0.1:${toString instance.ports.meta}/"; }}
    }
  '';
}
