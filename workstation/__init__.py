"""This machine's files, and the only doors to age, randomness, the clock and the project lock."""
