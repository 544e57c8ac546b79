"""Who Azure's own tools say we are: Entra ID's tokens, by azure-identity's default chain.

In its order: variables ``AZURE_*``, a workload's identity, a managed identity, then those who are
logged in by the Azure CLI, PowerShell or the Azure Developer CLI; ``AZURE_TOKEN_CREDENTIALS`` names
one, or ``dev`` or ``prod`` (learn.microsoft.com, "Credential chains in the Azure Identity library
for Python"). Everything here blocks.
"""

from __future__ import annotations

import logging
import time
from contextlib import closing
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from cmdai_shell.auth.exchange import ExchangeFailed, ExchangeRefused, quoted
from cmdai_shell.auth.tokens import Tokens
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from cmdai_shell.core import Clock

SCOPE = "https://cognitiveservices.azure.com/.default"
"""Of Azure OpenAI and of Foundry's models ("How to configure Azure OpenAI with Microsoft Entra ID
authentication")."""
CONNECT_S, READ_S, PROGRAM_S = 3.0, 5.0, 10.0
_TITLES = {
    "EnvironmentCredential": "the variables AZURE_*",
    "WorkloadIdentityCredential": "this workload's identity",
    "ManagedIdentityCredential": "this machine's managed identity",
    "SharedTokenCacheCredential": "Visual Studio",
    "VisualStudioCodeCredential": "Visual Studio Code",
    "AzureCliCredential": "the Azure CLI",
    "AzurePowerShellCredential": "Azure PowerShell",
    "AzureDeveloperCliCredential": "the Azure Developer CLI",
}
_HINT = "az login; or give this machine an identity, or set AZURE_TENANT_ID and its siblings"


class AzureChain:
    """``renew`` is what a TokenKeeper calls. Each time the chain is made anew: after ``az login``
    as somebody else, that one is it."""

    origin = "Azure"
    client = ""

    def __init__(self, scope: str = SCOPE, wall: Clock = time.time) -> None:
        if find_spec("azure") is None or find_spec("azure.identity") is None:
            raise ConfigError(
                "auth_type azure needs the package azure-identity",
                "pip install 'cmdai-shell[azure]'",
            )
        self._scope = scope
        self._wall = wall

    def renew(self, _: Tokens | None = None) -> Tokens:
        """Raises ExchangeFailed, ExchangeRefused."""
        for name in ("azure", "msal"):
            # Below, they log addresses and whole stories of failure.
            logging.getLogger(name).setLevel(logging.ERROR)
        from azure.core.exceptions import AzureError, ClientAuthenticationError
        from azure.identity import CredentialUnavailableError, DefaultAzureCredential

        now = self._wall()
        with closing(
            DefaultAzureCredential(
                retry_total=1,
                connection_timeout=CONNECT_S,
                read_timeout=READ_S,
                process_timeout=int(PROGRAM_S),
            )
        ) as chain:
            for one in chain.credentials:
                title = _TITLES.get(type(one).__name__, type(one).__name__)
                try:
                    found = one.get_token(self._scope)
                except CredentialUnavailableError:
                    continue
                except ClientAuthenticationError as error:
                    raise ExchangeRefused(
                        f"Azure refuses {title}: {quoted(error.message or '')}", "az login"
                    ) from None
                except AzureError as error:
                    raise ExchangeFailed(
                        f"Azure did not answer {title}: {quoted(error.message or '')}", _HINT
                    ) from None
                return self._tokens(found, title, now)
        raise ExchangeRefused("nobody is logged in to Azure here", _HINT, "login_required")

    def _tokens(self, found: Any, title: str, now: float) -> Tokens:
        return Tokens(
            origin=self.origin,
            client=self.client,
            obtained=now,
            access=found.token,
            expires=float(found.expires_on),
            scope=self._scope,
            who=title,
        )
