"""Plain words to a shell command at your own prompt. The design: README.md and docs/design.md."""

__version__ = "0.1.0"
