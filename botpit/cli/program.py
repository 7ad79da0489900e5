"""What all programs share: the usual flags of their parsers, and the way from flags to an exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Coroutine, Mapping
from io import TextIOWrapper
from typing import Any

from botpit import __version__
from botpit.io.exit_codes import ExitCode, ProgramError
from botpit.io.listen import PortError
from botpit.io.log import LOG_LEVELS, configure_logging
from botpit.io.run import refused, run

MAX_PORT = 65_535
Main = Callable[[], Coroutine[Any, Any, int]]


def parser_of(prog: str | None, description: str, epilog: str) -> argparse.ArgumentParser:
    """A parser without flags. `prog` None: the name of the running file."""
    return argparse.ArgumentParser(prog=prog, description=description, epilog=epilog)


def add_usual_flags(
    parser: argparse.ArgumentParser, log_level_help: str = "(default: %(default)s)"
) -> None:
    """The flags that every program of its own process takes: `--log-level` and `--version`."""
    parser.add_argument(
        "--log-level", type=str.lower, choices=LOG_LEVELS, default="info", help=log_level_help
    )
    add_version(parser)


def add_version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", action="version", version=f"botpit {__version__}")


def port_number(text: str, *, least: int = 0) -> int:
    """A port flag's value. Port 0 stands for any free one; `least=1` refuses it."""
    if not text.isdecimal() or not least <= int(text) <= MAX_PORT:
        raise argparse.ArgumentTypeError(
            f"expected a port from {least} to {MAX_PORT}, found {text!r}"
        )
    return int(text)


def port_in_use(port: int, flag: str) -> ProgramError:
    """Another program listens on a server's port. `flag` is the option that moves the port."""
    return ProgramError(f"port {port} is already in use; choose another with {flag}")


def port_refused(error: PortError, flags: Mapping[int, str]) -> ProgramError:
    """What a server ends with when it cannot listen. `flags`: port -> the option that moves it."""
    if error.in_use:
        return port_in_use(error.port, flags[error.port])
    return ProgramError(str(error))


def start(component: str, log_level: str, main: Main) -> int:
    """Log as `component`, run `main` until it ends or is told to stop, and return the exit code.

    `main` is called before there is an event loop and returns the coroutine. A program that loads strategies
    loads them in that call: they are other people's code, and Ctrl-C must end one that hangs.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    configure_logging(component, log_level)
    try:
        begun = main()
    except ProgramError as error:
        return refused(error)
    except KeyboardInterrupt:
        return ExitCode.STOPPED
    return run(lambda: begun)
