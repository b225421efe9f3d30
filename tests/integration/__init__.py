"""Several parts together, through a broker."""
