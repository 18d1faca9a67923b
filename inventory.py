"""The hosts. A fresh clone has the sandbox on this machine; inventory.example.py shows a real host."""

sandbox = ["@local"]
