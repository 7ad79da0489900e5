"""The monitor: `botpit monitor` for those who run from a clone."""

import sys

from botpit.cli.monitor import main

if __name__ == "__main__":
    sys.exit(main(prog="python monitor_client.py"))
