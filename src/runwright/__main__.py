"""`python -m runwright` is the command line."""

from runwright.cli.main import main

main()
