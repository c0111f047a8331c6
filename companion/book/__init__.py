"""What the chapters use to show things: figures, sources, measured times. Not the core."""
