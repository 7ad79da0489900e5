"""The relay process: `botpit relay` for those who run from a clone."""

import sys

from botpit.cli.relay import main

if __name__ == "__main__":
    sys.exit(main(prog="python market_data_server.py"))
