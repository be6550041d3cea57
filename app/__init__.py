"""Financial Transaction Aggregator: every number proven."""
