"""``python -m psalab`` is the command ``psalab``."""

from psalab.cli import main

if __name__ == "__main__":
    main()
