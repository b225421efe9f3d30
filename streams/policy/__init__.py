"""The policy: one versioned YAML file, validated on load."""
