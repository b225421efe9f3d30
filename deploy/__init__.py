"""Running Back on Track in production: container, compose, monitoring."""
