"""A Kubernetes cluster as ``discovery.kubernetes`` sees it: logging in, listing and watching, and
which address of what is found there can be reached from here."""
