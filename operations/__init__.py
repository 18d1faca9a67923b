"""What to do: the difference between desired and fact, printed whole and then applied."""
