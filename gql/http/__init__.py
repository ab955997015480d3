"""What every HTTP edge uses."""
