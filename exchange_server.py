"""The exchange process: `botpit exchange` for those who run from a clone."""

import sys

from botpit.cli.exchange import main

if __name__ == "__main__":
    sys.exit(main(prog="python exchange_server.py"))
