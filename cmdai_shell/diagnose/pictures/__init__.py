"""The graph of ``diagnose.topology`` as a browser or another program wants it; for the terminal:
``tree``."""

from cmdai_shell.diagnose.pictures.dot import dot
from cmdai_shell.diagnose.pictures.mermaid import mermaid
from cmdai_shell.diagnose.pictures.page import page
from cmdai_shell.diagnose.pictures.svg import svg

__all__ = ["dot", "mermaid", "page", "svg"]
