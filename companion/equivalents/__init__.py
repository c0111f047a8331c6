"""The frameworks' losses as executable specifications, in NumPy alone.

`pytorch`, `tensorflow`, `keras` and `optax` speak each framework's dialect: its names, its
argument order, its class axis, its defaults, its reductions, and what it does with odd input.
They are there to be read and compared, not to train with. The rest of the package has one
convention of its own; here the framework is right even where it surprises, and a line says
so. Tests compare every function with the framework itself, values and gradients, and run
the frameworks' own tests on it.

Two things differ on purpose. Arrays stand for tensors, and a Python list of floats is
float64 to NumPy where it is float32 to the frameworks. The arithmetic in float32 and float64
is the package's: it keeps digits that the frameworks round away, such as a loss of 4.25e-18
that they call 0. 16-bit types are rounded where the framework rounds.

Each module says for which versions of its framework it speaks; `VERSIONS` has the oldest and
the newest.
"""
