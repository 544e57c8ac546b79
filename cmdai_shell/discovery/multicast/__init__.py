"""Pieces of the mDNS source: what is announced, the list of it, and the ear that hears it. Only
``discovery.mdns`` uses them."""
