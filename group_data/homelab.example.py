"""The hosts of group `homelab`: copy to homelab.py and edit. Plain Python data; every key is checked before a run."""

domain = "example.org"

# Whose SSH keys may decrypt the secrets, beside the host itself: lines of .pub files (ssh-ed25519 or ssh-rsa).
operators = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB5kC0m5T3h0yTnF1h8jEXAMPLEkeyReplaceWithYours0 you@workstation",
]

instances = {
    "prod": {
        "subdomain": "supabase",  # https://supabase.example.org
    },
    "dev": {
        "subdomain": "supabase-dev",
        "log_level": "debug",
    },
}
