"""The sandbox on this machine: two sample instances."""

system = "sandbox"
domain = "sandbox.test"

instances = {
    "prod": {"subdomain": "supabase"},
    "dev": {"subdomain": "supabase-dev", "log_level": "debug"},
}
