"""What may be wrong with an installation, and how to cure it: the checks behind ``doctor``."""
