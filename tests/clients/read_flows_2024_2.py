"""Print what authentik-client 2024.2 reads from the server whose URL is given, in the documented dialect."""

import json
import sys

from reading import read

if __name__ == "__main__":
    json.dump(read(sys.argv[1], "stage_configuration"), sys.stdout)
