"""The battle runner: `botpit battle` for those who run from a clone."""

import sys

from botpit.cli.battle import main

if __name__ == "__main__":
    sys.exit(main(prog="python bot_battle_runner.py"))
