"""Bank data over the network: one folder a provider, behind the protocol in `base`."""
