"""Proof of who is who: credentials and where they are kept, TLS contexts and pins.

Everything that blocks (a keychain, a disk, an identity provider asked by ``requests``) runs in
threads of its own, with a timeout, so that what hangs holds nobody up.
"""
