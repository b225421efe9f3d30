"""Back on Track: from events on Kafka to accounts that are verifiably back on track.

Usage, sentiment and ticket events move the health of an account against its own normal; a drop is detected with its
cause and evidence; an intervention is fired; what is done about it is followed and graded; the episode ends only by
verification. Read `topology.py` first, then `fold.py`.
"""

__version__ = "0.1.0"
