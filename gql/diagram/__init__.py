"""Diagrams of flows.

loading.py      flows → their bindings, as visible to the viewer → diagrams
flow.py         a flow and its bindings → nodes and edges
labels.py       authentik's stored values → labels
alt_text.py     a diagram → its text alternative
mermaid.py      a diagram → the source of a Mermaid flowchart
svg.py          a diagram → an SVG
layout.py       the positions of nodes and edges in the SVG
text_layout.py  names → lines that fit into nodes
style.py        the colors and fonts of the SVG, in light and dark
text.py         replacement of characters that cannot be displayed
"""
