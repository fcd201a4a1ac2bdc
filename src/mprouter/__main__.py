"""``python -m mprouter`` is the command ``mpr``."""

from mprouter.cli import main

if __name__ == "__main__":
    main()
