"""``python -I -m cmdai_shell.daemon start|run|stop``: what the hooks and the service units call."""

import sys

from cmdai_shell.daemon.start import main

sys.exit(main(sys.argv[1:]))
