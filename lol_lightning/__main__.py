"""``python -m lol_lightning``."""

from lol_lightning.cli import main

if __name__ == "__main__":
    main()
