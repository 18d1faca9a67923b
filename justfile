# Verbs. Those that change are deploy files in tasks/, those that read are programs in reports/.
pyinfra := if path_exists(".venv/bin/pyinfra") == "true" { ".venv/bin/pyinfra" } else { "pyinfra" }
python := if path_exists(".venv/bin/python") == "true" { ".venv/bin/python" } else { "python3" }

# List the recipes.
default:
    @just --list

# Bring every host to what group_data says, after showing it and asking. Fails unless the wanted state is then live.
deploy *ARGS:
    {{pyinfra}} inventory.py deploy.py {{ARGS}}
    {{python}} -m reports.live {{ARGS}}

# Show what a deploy would change, with file diffs; changes nothing.
plan *ARGS:
    {{pyinfra}} --dry --diff inventory.py deploy.py {{ARGS}}

# Make a new instance: entry in group_data, secrets, database, units; goes on where it was killed.
supabase-create INSTANCE SUBDOMAIN="":
    {{pyinfra}} -y inventory.py tasks/create.py --data instance={{quote(INSTANCE)}}{{ if SUBDOMAIN == "" { "" } else { " --data subdomain=" + quote(SUBDOMAIN) } }}

# Delete INSTANCE for good, after showing what goes and asking for its name. --keep-database leaves its data and slot.
supabase-delete INSTANCE KEEP="":
    #!/bin/sh
    set -eu
    case {{quote(KEEP)}} in
      '') keep=false ;;
      --keep-database) keep=true ;;
      *) echo 'the only option is --keep-database' >&2; exit 2 ;;
    esac
    set -- inventory.py tasks/delete.py --data instance={{quote(INSTANCE)}} --data keep_database=$keep
    {{pyinfra}} --dry "$@"
    printf 'Type the name of the instance to delete it: ' >&2
    read -r name || name=
    {{pyinfra}} -y "$@" --data "confirm=$name"

# Give INSTANCE new secrets without a failed request; old API keys stay accepted for 24 hours (--data window=HOURS), or until --retire-now.
supabase-rotate-secrets INSTANCE *ARGS: (_asked "tasks/rotate_secrets.py" "--data instance=" + quote(INSTANCE) replace(ARGS, "--retire-now", "--data retire_now=true"))

# Give SECRET of INSTANCE, and all that is made from it, a new value at once. --stdin reads your own value from standard input.
supabase-update-secret INSTANCE SECRET *ARGS: (_asked "tasks/update_secret.py" "--data instance=" + quote(INSTANCE) + " --data secret=" + quote(SECRET) replace(ARGS, "--stdin", "--data stdin=true"))

# Shows what a verb will do, asks, and does it; fails when the answer is no. A value on a pipe can be read once: then it is not asked.
[private]
_asked SCRIPT WORDS ARGS:
    #!/bin/sh
    set -eu
    set -- inventory.py {{SCRIPT}} {{WORDS}} {{ARGS}}
    case " $* " in
      *" --dry "*) exec {{pyinfra}} "$@" ;;
      *" stdin=true "*) if ! [ -t 0 ]; then exec {{pyinfra}} -y "$@"; fi ;;
      *) {{pyinfra}} --dry "$@"
         printf 'Go on? [y/N] ' >&2
         read -r answer || answer=
         case $answer in y | Y | yes) exec {{pyinfra}} -y "$@" ;; esac
         echo 'nothing was changed' >&2
         exit 1 ;;
    esac
    exec {{pyinfra}} "$@"

# How every host and instance stands, or one INSTANCE; --json for machines (docs/status.md). Fails unless all is healthy.
supabase-status *ARGS:
    {{python}} -m reports.status {{ARGS}}

# Print address and anon key of an instance as lines for .env; with --service the service key too.
supabase-keys *ARGS:
    {{python}} -m reports.keys {{ARGS}}

# Take over secrets of INSTANCE that were edited or rekeyed with the agenix CLI.
supabase-adopt INSTANCE:
    {{pyinfra}} -y inventory.py tasks/adopt.py --data instance={{quote(INSTANCE)}}

# Record HOST's SSH host key in known_hosts and print its fingerprint, to compare with the host's console.
known-host HOST PORT="22":
    ssh-keyscan -t ed25519 -p {{quote(PORT)}} {{quote(HOST)}} >> known_hosts
    ssh-keygen -l -f known_hosts
    @echo "compare on the host's console: ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub"

# Stop the sandbox's PostgreSQL.
sandbox-stop:
    {{pyinfra}} -y inventory.py tasks/sandbox_stop.py

# Remove the sandbox with everything in it.
sandbox-reset:
    {{pyinfra}} -y inventory.py tasks/sandbox_reset.py

# Run the tests.
test *ARGS:
    {{python}} -m pytest {{ARGS}}

# Check style and types.
lint:
    {{python}} -m ruff check .
    {{python}} -m mypy

# Write docs/options.md from the Nix module (needs Nix).
docs:
    {{python}} -m tests.nix.options

# Lock the dependencies by hash, without index addresses (uv and pip both install them).
lock:
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
        --no-annotate -o requirements.txt pyproject.toml
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
        --no-annotate --extra dev -o requirements-dev.txt pyproject.toml
