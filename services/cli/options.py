"""What every command takes, and every word of a command."""

import argparse


def add_home(parser: argparse.ArgumentParser) -> None:
    """`--home DIR`; where it is absent, what was said before the word still stands."""
    parser.add_argument("--home", metavar="DIR", default=argparse.SUPPRESS, help="folder of its data, keys and logs")
