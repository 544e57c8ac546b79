"""Real weights for tests marked ``model``: pulled once, kept across runs.

    from tests.models import model_path

    @pytest.mark.model
    def test_it() -> None:
        weights = model_path("smollm2-135m")

The first pull takes as long as the network does: give such a test a timeout of minutes.
``CMDAI_TEST_MODELS`` names another folder (read at import: import this at the top).
"""

from __future__ import annotations

import os
import pwd
from functools import cache
from pathlib import Path

from cmdai_shell.backends.embedded.catalog import ModelFile, catalog
from cmdai_shell.backends.embedded.pull import pull
from cmdai_shell.backends.embedded.store import Store

_HOME = pwd.getpwuid(os.getuid()).pw_dir  # tests run with another $HOME
_FOLDER = Path(os.environ.get("CMDAI_TEST_MODELS") or f"{_HOME}/.cache/cmdai-shell-tests")


def model_store() -> Store:
    """The Store that holds what ``model_path`` pulled."""
    return Store(_FOLDER)


@cache
def model_file(model_id: str) -> ModelFile:
    """The model as ``Store.chosen`` would give it, pulled and verified first if need be."""
    entry = catalog().get(model_id)
    assert entry, model_id
    return pull(entry, model_store(), environ={**os.environ, "HOME": _HOME})


def model_path(model_id: str) -> Path:
    """The weights of a model of the catalog, really pulled."""
    return model_file(model_id).path
