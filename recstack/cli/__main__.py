"""`python -m recstack.cli`."""

from recstack.cli import main

main()
