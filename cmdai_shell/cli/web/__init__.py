"""The dashboard as a page for a browser of this machine."""
