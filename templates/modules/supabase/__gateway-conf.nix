# nginx.conf of one instance's gateway. Nothing secret: the keys are included at run time.
{ lib, instance, routed }:
let
  inherit (instance) settings;
  run = instance.runtimeDir "gateway";

  # Which answers are logged.
  logged = { error = "~^5"; warn = "~^5"; info = "~^[45]"; debug = "~."; }.${settings.logLevel};

  helpers = {
    checkKey = ''
      if ($key_role = "") { return 401 '{"message":"$key_refusal"}'; }
      if ($args_without_key ~* "(^|&)apikey=") { return 400 '{"message":"apikey is given more than once"}'; }
    '';
    # The key is read before it is taken out of the query: PostgREST would filter a column of this name.
    pass = { prefix, upstream }: ''
      set $prefix ${prefix};
      set $args $args_without_key;
      proxy_pass http://${upstream}/;
    '';
  };
in
''
  daemon off;
  worker_processes 1;
  pid ${run}/nginx.pid;
  # nginx quotes the request line in an error line, and a key may stand in its query. So only what concerns the
  # process is logged here; refused and failed requests are logged below, without their query.
  error_log stderr alert;

  events { worker_connections 1024; }

  http {
    client_body_temp_path ${run}/body;
    proxy_temp_path ${run}/proxy;
    fastcgi_temp_path ${run}/fastcgi;
    scgi_temp_path ${run}/scgi;
    uwsgi_temp_path ${run}/uwsgi;

    map $status $logged { default 0; "${logged}" 1; }
    log_format request '$request_method $uri $status $request_time $upstream_status';
    access_log syslog:server=unix:/dev/log,nohostname,tag=supabase_${instance.name} request if=$logged;

    default_type application/json;
    server_tokens off;
    gzip off;
    absolute_redirect off;
    large_client_header_buffers 4 32k;
    client_max_body_size 50m;

    # The key: of the header, else of the query. A list of keys per role, exact to the letter.
    map $http_apikey $key { default $http_apikey; "" $arg_apikey; }
    map $key $key_role { default ""; include ${run}/keys.conf; }
    map $key $key_refusal { default "Invalid API key"; "" "No API key found in request"; }
    map $args $args_without_key {
      default $args;
      "~*^apikey=[^&]*$" "";
      "~*^apikey=[^&]*&(?<args_after>.*)$" $args_after;
      "~*^(?<args_before>.*)&apikey=[^&]*$" $args_before;
      "~*^(?<args_left>.*)&apikey=[^&]*&(?<args_right>.*)$" $args_left&$args_right;
    }
    # Without a login the key speaks for the request.
    map $http_authorization $authorization { default $http_authorization; "" "Bearer $key"; }

    # Any origin. `*` does not stand for authorization, which must be named.
    map "$request_method $http_access_control_request_method" $preflight { default 0; "~^OPTIONS ." 1; }
    map $preflight $cors_methods { default ""; 1 "GET, POST, PUT, PATCH, DELETE, OPTIONS, HEAD"; }
    map $preflight $cors_headers { default ""; 1 "*, authorization"; }
    map $preflight $cors_max_age { default ""; 1 3600; }

    # The edge names the client; its own header is replaced below.
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Forwarded-For;

    proxy_http_version 1.1;
    proxy_connect_timeout 5s;
    proxy_request_buffering off;
    proxy_max_temp_file_size 0;
    proxy_set_header Host $host;
    proxy_set_header Connection "";
    proxy_set_header apikey $key;
    proxy_set_header Authorization $authorization;
    proxy_set_header Forwarded "";
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Host ${instance.host};
    proxy_set_header X-Forwarded-Port 443;
    proxy_set_header X-Forwarded-Prefix $prefix;
    proxy_set_header X-Forwarded-Proto https;
    # Twice the same CORS header is an error to a browser.
    proxy_hide_header Access-Control-Allow-Credentials;
    proxy_hide_header Access-Control-Allow-Headers;
    proxy_hide_header Access-Control-Allow-Methods;
    proxy_hide_header Access-Control-Allow-Origin;
    proxy_hide_header Access-Control-Expose-Headers;
    proxy_hide_header Access-Control-Max-Age;

    ${lib.concatMapStringsSep "\n" (part: part.upstream) routed}

    server {
      listen 127.0.0.1:${toString settings.port};
      set $prefix "";

      add_header Access-Control-Allow-Origin * always;
      add_header Access-Control-Expose-Headers * always;
      add_header Access-Control-Allow-Methods $cors_methods always;
      add_header Access-Control-Allow-Headers $cors_headers always;
      add_header Access-Control-Max-Age $cors_max_age always;

      error_page 400 @bad_request;
      error_page 413 @too_large;
      error_page 500 502 503 504 =503 @unavailable;
      location @bad_request { return 400 '{"message":"Bad request"}'; }
      location @too_large { return 413 '{"message":"The request is larger than 50 MB"}'; }
      location @unavailable { return 503 '{"message":"The service does not answer"}'; }

      # An escaped slash would be one path here and another one behind.
      if ($request_uri ~* "^[^?]*%(2f|5c)") { return 400 '{"message":"Escaped slashes are refused"}'; }
      # A preflight carries no key.
      if ($preflight) { return 204; }

      ${lib.concatMapStringsSep "\n" (part: part.routes helpers) routed}
      location / { return 404 '{"message":"no Route matched with those values"}'; }
    }
  }
''
