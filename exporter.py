"""The CSV exporter: `botpit export` for those who run from a clone."""

import sys

from botpit.cli.export import main

if __name__ == "__main__":
    sys.exit(main(prog="python exporter.py"))
