"""What looks wrong in the outputs, the labels and the loss of a reader's own model.

`diagnose` looks at arrays, and `python -m companion.diagnose` at files. On a live model,
`companion.frameworks.pytorch.diagnose` and `companion.frameworks.keras.diagnose` see more:
layers, modes, and what a loss was told.
"""

from companion.diagnose.arrays import diagnose
from companion.diagnose.findings import Diagnosis, Finding

__all__ = ["Diagnosis", "Finding", "diagnose"]
