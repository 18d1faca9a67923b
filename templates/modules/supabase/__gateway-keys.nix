# What the gateway reads at run time: the scripts that compose the list of keys and, for Studio, its password.
{ lib, pkgs, instance }:
let
  inherit (instance) settings;
  compose = file: write: import ./__compose.nix { inherit pkgs instance; } { service = "gateway"; inherit file write; };
  path = secret: lib.escapeShellArg (instance.runtime secret);
in
{
  secrets = [ settings.anonKey settings.serviceKey ] ++ lib.optional settings.services.studio settings.dashboardPassword;

  # Lines of an nginx map. Regular expressions, because plain strings of a map ignore case.
  scripts = [
    (compose "keys.conf" ''
      add_key() {
        [[ $secret =~ ^[A-Za-z0-9._-]+$ ]] || refuse "$file" "is not an API key: only letters, digits, dot, dash, underscore"
        composed+="\"~^''${secret//./[.]}\$\" $1;"$'\n'
      }
      each_generation ${path settings.anonKey} add_key anon
      each_generation ${path settings.serviceKey} add_key service_role
    '')
  ]
  # nginx knows one password per user: a new one is in force at once, without a time for both.
  ++ lib.optional settings.services.studio (compose "htpasswd" ''
    read_secret ${path settings.dashboardPassword}
    digest=$(printf '%s' "$secret" | sha1sum)
    digest=''${digest%% *}
    composed="supabase:{SHA}$(printf '%s' "''${digest^^}" | basenc --base16 --decode | base64)"
  '');
}
