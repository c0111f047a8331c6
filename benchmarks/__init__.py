"""How fast and how accurate: ours beside others, in one run. `make bench` runs it."""
