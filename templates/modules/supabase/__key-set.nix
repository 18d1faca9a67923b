# Shell text for __compose.nix that leaves the instance's signing secret, in all its generations, in $keys: JWKs with a comma
# between. A verifier gets a key set, never a plain secret: only so can two generations overlap.
#   signs   whether the current one may also sign, which exactly one key of auth must
{ lib, instance, signs ? false }:
''
  keys=
  add_jwk() {
    local kid k operations='"verify"'
    ${lib.optionalString signs ''[ -n "$keys" ] || operations='"sign","verify"' ''}
    kid=$(printf 'supabase-kid:%s' "$secret" | sha256sum)
    k=$(printf '%s' "$secret" | base64 -w 0)
    k=''${k//+/-} k=''${k//\//_} k=''${k%%=*}
    keys+="''${keys:+,}{\"alg\":\"HS256\",\"k\":\"$k\",\"key_ops\":[$operations],\"kid\":\"''${kid:0:16}\",\"kty\":\"oct\",\"use\":\"sig\"}"
  }
  each_generation ${lib.escapeShellArg (instance.runtime instance.settings.jwtSecret)} add_jwk
''
