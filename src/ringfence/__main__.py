"""`python -m ringfence`: the command where no script is on the path."""

from .cli import main

if __name__ == "__main__":
    main(prog_name="ringfence")
