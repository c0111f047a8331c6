"""The command line in Chinese: `python -m companion.exercises.zh list` and `check FILE ...`."""

import sys

from companion.exercises.__main__ import PROGRAM, main
from companion.exercises.zh import CHINESE

if __name__ == "__main__":
    sys.exit(main(language=CHINESE, program=f"{PROGRAM}.zh"))
