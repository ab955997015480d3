"""The differences between two systems, and between a system and blueprints."""
