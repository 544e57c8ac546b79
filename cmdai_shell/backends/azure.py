"""Azure OpenAI, whose model is a deployment; in both of its URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.backends.models import Model
from cmdai_shell.backends.openai import OpenAIServer
from cmdai_shell.core import Probe
from cmdai_shell.errors import ModelMissing

if TYPE_CHECKING:
    from cmdai_shell.backends.http import Settings
    from cmdai_shell.core import Endpoint

OLD_VERSION = "2024-10-21"
"""The last stable one of the older form."""


class AzureServer(OpenAIServer):
    """With ``api_version``, or with the deployment in the URL, the older form
    ``/openai/deployments/NAME/chat/completions?api-version=``; else ``/openai/v1``, which since
    August 2025 needs no version (learn.microsoft.com, "Azure OpenAI API version lifecycle").
    """

    def __init__(self, endpoint: Endpoint, settings: Settings) -> None:
        super().__init__(endpoint, settings)
        labels = endpoint.labels
        root, slash, rest = endpoint.url.partition("/openai/deployments/")
        self.client.url = root if slash else self.client.url.removesuffix("/openai")
        deployment = rest.partition("/")[0] or labels.get("deployment", "") or endpoint.model
        self._model = Model(id=deployment) if deployment else None
        self._deployment = deployment
        version = labels.get("api_version", "") or (OLD_VERSION if slash else "")
        if version:
            self._list = f"/openai/models?api-version={version}"
            self._chat = f"/openai/deployments/{deployment}/chat/completions?api-version={version}"
        else:
            self._list, self._chat = "/openai/v1/models", "/openai/v1/chat/completions"

    @property
    def _has_no_list(self) -> bool:
        return True

    def _path(self) -> str:
        return self._chat

    async def identify(self, timeout: float) -> Probe:
        """Whether it lets us in. What it lists are models that could be deployed, not deployments:
        whether ours is there only a prompt tells."""
        reply = await self.client.get(self._list, timeout)
        if not self._deployment:
            raise ModelMissing(
                f"{self.title}: which deployment?", "set deployment in its environment's file"
            )
        self.probe = Probe(kind="azure", models=(self._deployment,), latency=reply.seconds)
        return self.probe
