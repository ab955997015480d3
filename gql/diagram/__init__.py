"""Diagrams of flows: nodes and edges, as SVG, as Mermaid text and as a text alternative."""
