"""Print what authentik-client 2026.8 reads from the server at a URL, below /api/v3."""

import json
import sys

from read_flows import authentik_client, read_flows

if __name__ == "__main__":
    designation = authentik_client.FlowDesignationEnum.STAGE_CONFIGURATION
    json.dump(read_flows(f"{sys.argv[1]}/api/v3", designation), sys.stdout)
