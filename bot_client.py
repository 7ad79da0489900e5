"""The process of one bot: `botpit bot` for those who run from a clone."""

import sys

from botpit.cli.bot import main

if __name__ == "__main__":
    sys.exit(main(prog="python bot_client.py"))
