"""Verbs that change something, as pyinfra deploy files. Arguments travel in `--data`."""
