"""What the operator's machines ask: is it alive, is it ready, how is it doing."""
