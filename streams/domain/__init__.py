"""The words everything else uses: account, partition, events, findings, outputs, ids, time."""
