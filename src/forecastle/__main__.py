"""`python -m forecastle`: the command line."""

from forecastle.cli import main

main()
