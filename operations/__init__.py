"""What to do: the difference between desired and fact, printed whole and then applied."""

import atexit
import gc
import sys

# pyinfra turns bytecode off, and this project's files take 0.1 s to compile in every run. A dry run writes nothing.
sys.dont_write_bytecode = "--dry" in sys.argv

# What a run makes it keeps to its end: looking for garbage took a tenth of its time, and as much again when Python ends.
gc.set_threshold(200_000)
atexit.register(gc.freeze)
