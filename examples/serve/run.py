"""Runs a file on a boxer server: python3 run.py FILE."""

import sys

from boxer import ask


def main():
    with open(sys.argv[1]) as file:
        result = ask("/run", {"code": file.read()})["res"]
    print(result["output"], end="")
    sys.exit(result["status"] != "Ok")


if __name__ == "__main__":
    main()
