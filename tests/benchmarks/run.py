"""Benchmark FlowQL against other servers: python tests/benchmarks/run.py --help."""

import sys
from pathlib import Path

# The benchmark uses the test suite's support modules.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from benchmark import run

if __name__ == "__main__":
    run()
