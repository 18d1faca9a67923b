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
