"""The graph of ``diagnose.topology`` as a person, a browser or another program wants it."""
