"""Paths of the project's files and folders that tests use."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
BENCHMARKS = TESTS / "benchmarks"
CLIENTS = TESTS / "clients"
README = ROOT / "README.md"
OPERATIONS = ROOT / ".github" / "operations.md"
SCHEMA = ROOT / "schema.graphql"
SAMPLES = ROOT / "models" / "blueprint" / "samples"
BUILD = ROOT / "build"
SCREENSHOTS = BUILD / "screenshots"
