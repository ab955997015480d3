"""Print what authentik-client 2024.2 reads from the server at a URL, in the documented dialect."""

import json
import sys

from read_flows import read_flows

if __name__ == "__main__":
    json.dump(read_flows(sys.argv[1], "stage_configuration"), sys.stdout)
