"""`python -m cones` is `cones`."""

from .cli import main

if __name__ == "__main__":
    main()
