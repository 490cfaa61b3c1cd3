"""What every command takes, and what several do."""

import argparse
import os

from services.cli.errors import USAGE, CliError


def add_home(parser: argparse.ArgumentParser) -> None:
    """`--home DIR`; where it is absent, what was said before the word still stands."""
    parser.add_argument("--home", metavar="DIR", default=argparse.SUPPRESS, help="folder of its data, keys and logs")


def add_key(parser: argparse.ArgumentParser) -> None:
    """`--key-env NAME`: a key in an argument would stand in the list of processes and in the shell's history."""
    parser.add_argument(
        "--key-env", default="", metavar="NAME", help="the variable that holds the runtime's API key, as LLAMA_API_KEY"
    )


def key_of(args: argparse.Namespace) -> str:
    """Return the API key that is meant; "" without one. Raises CliError where the variable is empty."""
    if not args.key_env:
        return ""
    if key := os.environ.get(args.key_env, "").strip():
        return key
    raise CliError(f"the variable {args.key_env!r} of --key-env is empty; export the runtime's API key in it", USAGE)
