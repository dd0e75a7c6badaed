"""`python -m pratique`: the same as the command `pratique`."""

from pratique.cli.main import main

main()
