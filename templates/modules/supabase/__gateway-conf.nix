# nginx.conf of one instance's gateway. Nothing secret: keys and password are included at run time.
{ lib, instance, routed }:
let
  inherit (instance) settings;
  run = instance.runtimeDir "gateway";

  # Which answers are logged.
  logged = { error = "~^5"; warn = "~^5"; info = "~^[45]"; debug = "~."; }.${settings.logLevel};
  # A websocket takes two.
  connections = 1024 + (if settings.services.realtime then 2 * settings.realtime.maxConcurrentUsers else 0);

  say = status: message: "return ${toString status} '${builtins.toJSON { inherit message; }}';";

  # What the routes are made of.
  helpers = rec {
    notFound = say 404 "no Route matched with those values";
    forbidden = say 403;
    checkKey = ''if ($key_role = "") { ${say 401 "$key_refusal"} }'';
    checkServiceKey = what: ''
      ${checkKey}
        if ($key_role != service_role) { ${forbidden "${what} needs the service_role key"} }'';
    # A literal address, not an upstream by name: nginx 1.29.7 and later would keep connections to one.
    pass = { to, prefix ? "" }: ''set $prefix "${prefix}"; proxy_pass http://${to};'';
  };
  parts = of: lib.replaceStrings [ "\n" ] [ "\n    " ] (lib.concatMapStringsSep "\n" of routed);
in
''
  daemon off;
  worker_processes 1;
  # After a reload, transfers and websockets of before may go on this long.
  worker_shutdown_timeout 1h;
  pid ${run}/nginx.pid;
  # nginx quotes the request line in an error line, and a key may stand in its query. So only what concerns the
  # process is logged here; refused and failed requests are logged below, without their query.
  error_log stderr alert;

  events { worker_connections ${toString connections}; }

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
    # A write on a kept connection that a reload just ends would be lost.
    keepalive_timeout 0;
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
    # Without a login the key speaks for the request. A token of a user and an S3 signature are logins; Studio's
    # password, which browsers add by themselves, and keys of the form sb_... are not.
    map $key_role $login_by_key { default "Bearer $key"; "" $http_authorization; }
    map $http_authorization $authorization { default $login_by_key; "~*^(bearer (?!sb_)|aws4-hmac-)" $http_authorization; }

    # Any origin, except for SQL as the owner. `*` does not stand for authorization, which must be named.
    map $http_origin $own_origin { default ""; ${instance.url} $http_origin; }
    map $uri $cors_origin { default *; "~^/pg/" $own_origin; }
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
    # Redirects of auth carry whole tokens.
    proxy_buffer_size 32k;
    proxy_buffers 8 32k;
    proxy_redirect off;
    # What the services see. The variables are the routes' matter.
    proxy_set_header Host $upstream_host;
    proxy_set_header Connection $upstream_connection;
    proxy_set_header Upgrade $upstream_upgrade;
    proxy_set_header apikey $api_key;
    proxy_set_header X-Api-Key $x_api_key;
    proxy_set_header Authorization $login;
    proxy_set_header Content-Profile $profile;
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
    # A function of the database may set any header: none of them commands nginx.
    proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset;

    ${parts (part: part.maps or "")}

    server {
      # The first is passed in by systemd's socket, from outside the namespace.
      listen 127.0.0.1:${toString settings.port};
      listen 127.0.0.1:${toString instance.ports.gateway};

      set $upstream_host $host;
      # A write must not meet a service that just ends: every request gets a connection of its own.
      set $upstream_connection close;
      set $upstream_upgrade "";
      set $x_api_key $http_x_api_key;
      set $login $authorization;
      set $profile $http_content_profile;
      set $prefix "";

      add_header Access-Control-Allow-Origin $cors_origin always;
      add_header Access-Control-Expose-Headers * always;
      add_header Access-Control-Allow-Methods $cors_methods always;
      add_header Access-Control-Allow-Headers $cors_headers always;
      add_header Access-Control-Max-Age $cors_max_age always;

      error_page 400 405 414 494 501 505 =400 /.bad-request;
      error_page 401 @unauthorized;
      error_page 413 @too_large;
      error_page 500 502 503 =503 @unavailable;
      error_page 504 @timeout;
      # Not @bad_request: what is not even a request line has no path, and could not go there.
      location = /.bad-request { ${say 400 "Bad request"} }
      location @unauthorized { ${say 401 "Unauthorized"} }
      location @too_large { ${say 413 "The request is larger than 50 MB"} }
      location @unavailable { ${say 503 "The service does not answer"} }
      location @timeout { ${say 504 "The service did not answer in time"} }

      # An escaped slash would be one path here and another one behind.
      if ($request_uri ~* "^[^?]*(%(2f|5c)|\\\\)") { ${say 400 "Escaped slashes are refused"} }
      # A preflight carries no key.
      if ($preflight) { return 204; }
      # The key is read, then taken out of the query: PostgREST would filter a column of this name.
      if ($args_without_key ~* "(^|&)apikey=") { ${say 400 "apikey is given more than once"} }
      set $api_key $key;
      set $args $args_without_key;

      ${parts (part: part.routes helpers)}
      # What is not served is not Studio's either.
      location ~ ^/((auth|graphql|realtime|rest|storage)/v1|pg|[.]well-known)(/|$) { ${helpers.notFound} }
      location ~ ^/functions/v1(/|$) { ${say 404 "Edge functions are not served"} }
      ${lib.optionalString (!settings.services.studio) "location / { ${helpers.notFound} }"}
    }
  }
''
