"""What to do: the difference between desired and fact, printed whole and then applied."""

import sys

# pyinfra turns bytecode off, and this project's files take 0.1 s to compile in every run. A dry run writes nothing.
sys.dont_write_bytecode = "--dry" in sys.argv
