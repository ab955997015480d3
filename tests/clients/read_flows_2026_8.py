"""Print what authentik-client 2026.8 reads from the server whose URL is given, under /api/v3."""

import json
import sys

from reading import authentik_client, read

if __name__ == "__main__":
    designation = authentik_client.FlowDesignationEnum.STAGE_CONFIGURATION
    json.dump(read(f"{sys.argv[1]}/api/v3", designation), sys.stdout)
