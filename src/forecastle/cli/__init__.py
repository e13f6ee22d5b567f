"""The command line: one file a command. Results go to stdout, progress and logs to stderr."""

from forecastle.cli.main import main

__all__ = ["main"]
