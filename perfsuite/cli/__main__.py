"""``python -m perfsuite.cli``, where the script is not on the path."""

from perfsuite.cli import main

main()
