"""The rules, by topic. Each topic module has ``CHECKS``: a table from program name to check."""
