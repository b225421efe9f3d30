"""What stock Faust does under faults that the worker has to survive: the same scenarios against both."""
