"""`python -m videostar.cli`."""

from videostar.cli.app import main

main()
