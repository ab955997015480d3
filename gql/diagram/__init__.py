"""A flow as a picture.

loading.py  flows, as the viewer sees them → what is bound to them → diagrams
flow.py     a flow and what is bound to it → its nodes and edges
names.py    authentik's values → people's words
words.py    a diagram → the walk through it in words
mermaid.py  a diagram → Mermaid's flowchart text
svg.py      a diagram → an SVG
layout.py   where nodes and edges are in the SVG
lettering.py names → lines that fit
style.py    what the SVG's colours and letters are, in light and dark
"""
