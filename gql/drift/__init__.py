"""The drift: what differs between a baseline and the data that is served."""
