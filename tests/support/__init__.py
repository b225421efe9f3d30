"""What the tests need to run: brokers and records."""
