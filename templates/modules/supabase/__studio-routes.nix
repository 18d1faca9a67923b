# studio: everything that is not the API, behind a password; it has no login of its own.
{ instance, ... }:
{
  maps = ''
    # A browser adds the password by itself, also when a page of another site sends the request.
    map "$http_origin $http_host" $page_origin { default $own_origin; "~^https?://(?<page>[^ /]+) \k<page>$" $http_origin; }
  '';
  routes = { forbidden, notFound, pass, ... }: ''
    location / {
      # Studio itself asks for the API at the other listener, never for its own pages.
      if ($server_port = ${toString instance.ports.gateway}) { ${notFound} }
      if ($http_origin != $page_origin) { ${forbidden "Studio answers to its own pages only"} }
      auth_basic "Supabase ${instance.name}";
      auth_basic_user_file ${instance.runtimeDir "gateway"}/htpasswd;
      set $login "";
      ${pass { to = "127.0.0.1:${toString instance.ports.studio}/"; }}
    }
    # Tools for language models, which would act as the owner.
    location ~* ^/(api/)?mcp { ${forbidden "MCP is not served"} }
  '';
}
