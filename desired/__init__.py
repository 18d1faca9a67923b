"""What to want: pure data and pure functions. No I/O, no clock, no randomness, no pyinfra."""
