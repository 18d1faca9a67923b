# storage: files. It checks who may what itself; a key that comes without a login is translated into one.
{ instance, ... }:
{
  maps = ''
    # S3 clients sign the path as they send it, so it is passed on as it was sent, except what would name another.
    map $request_uri $storage_path {
      default "";
      "~*^[^?]*/([.]|%2e){1,2}([/?]|$)" "";
      "~^/storage/v1(?<sent>/[^?]*)" $sent;
    }
  '';
  routes = { notFound, pass, ... }: ''
    location = /storage/v1 { ${notFound} }
    location ^~ /storage/v1/ {
      if ($storage_path = "") { ${notFound} }
      # Whole files: no limit of size (storage has its own, FILE_SIZE_LIMIT), nothing kept here, time to move them.
      client_max_body_size 0;
      proxy_buffering off;
      client_body_timeout 10m;
      send_timeout 10m;
      proxy_read_timeout 10m;
      proxy_send_timeout 10m;
      # The host name is signed too.
      set $upstream_host $http_host;
      ${pass { prefix = "/storage/v1"; to = "127.0.0.1:${toString instance.ports.storage}$storage_path$is_args$args"; }}
    }
  '';
}
