"""The host's own manual: an index of its man pages, built in the background, read at a press.

    man pages ─ roff, rendered ─> pieces ─ pages ─> Page ─ build ─> SQLite ─ index ─> core.Manual

Pages are other people's text: no page raises, takes more than linear time, or is ever run.
"""
