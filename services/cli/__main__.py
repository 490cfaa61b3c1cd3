"""wfmon: the monitor from the terminal."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from services.cli.errors import FAILED, INTERRUPTED, PIPE_CLOSED, USAGE, CliError
from services.cli.options import add_home
from services.cli.registry import COMMANDS

DESCRIPTION = "The live heartbeat of this machine and its language models. Everything stays on it."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 usage, 3 not running, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser, called = build(arguments)
    args = parser.parse_args(arguments)
    if called is None:
        parser.print_help()
        return USAGE
    from bus.home import Home, HomeError  # late: it costs more than all that --help needs

    try:
        code: int = called.run(args, Home.resolve(args.home))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has gone (`wfmon watch … | head -1`): nothing more to say, also not at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except CliError as error:
        print(f"wfmon: {error}", file=sys.stderr)
        return error.code
    except HomeError as error:
        print(f"wfmon: {error}", file=sys.stderr)
        return FAILED
    return code


def build(arguments: Sequence[str]) -> tuple[argparse.ArgumentParser, ModuleType | None]:
    """Return the parser and the module of the command that is called; the others' are not imported."""
    common = argparse.ArgumentParser(add_help=False)
    add_home(common)
    parser = argparse.ArgumentParser(prog="wfmon", description=DESCRIPTION)
    parser.add_argument("--home", metavar="DIR", default=None, help="folder of its data, keys and logs")
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    name = called_command(arguments)
    module: ModuleType | None = None
    for command in COMMANDS:
        if command.name == name:
            module = importlib.import_module(f"services.cli.commands.{command.module}")
            below = commands.add_parser(
                command.name,
                help=command.summary,
                description=module.__doc__,
                parents=[common],
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
            module.add_arguments(below)
        else:
            commands.add_parser(command.name, help=command.summary, add_help=False)
    return parser, module


def called_command(arguments: Sequence[str]) -> str | None:
    """Return the first word that is neither an option nor the value of --home."""
    words = iter(arguments)
    for word in words:
        if word == "--home":
            next(words, None)
        elif not word.startswith("-"):
            return word
    return None


class _Version(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib import metadata

        try:
            print(metadata.version("wirthforge-monitor"))
        except metadata.PackageNotFoundError:
            print("source")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
