"""Race FlowQL against its peers: python tests/benchmarks/run.py --help."""

import sys
from pathlib import Path

# The suite's own PostgreSQL and processes are used here as they are in tests.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from race import run

if __name__ == "__main__":
    run()
