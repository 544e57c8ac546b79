"""A login with a code that is typed on another screen (RFC 8628)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from cmdai_shell.auth.exchange import ExchangeFailed, ExchangeRefused, shown
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cmdai_shell.core import Clock

    Sleep: TypeAlias = Callable[[float], Awaitable[None]]

T = TypeVar("T")

SLOWER_S = 5.0
_LONGEST_S = 60.0

_Url = Annotated[str, Meta(max_length=2_000)]


class DeviceCode(msgspec.Struct, frozen=True, kw_only=True):
    """What the person is shown; ``device_code`` is a secret and is not."""

    device_code: Annotated[str, Meta(min_length=1, max_length=8_192)]
    user_code: Annotated[str, Meta(min_length=1, max_length=100)]
    verification_uri: _Url
    verification_uri_complete: _Url = ""
    expires_in: Annotated[float, Meta(ge=1, le=86_400)] = 900.0
    interval: Annotated[float, Meta(ge=0, le=600)] = 5.0

    def __repr__(self) -> str:
        return f"DeviceCode({self.user_code!r})"


def parse(data: bytes) -> DeviceCode:
    """Texts and addresses are made fit to be shown. Raises ExchangeFailed."""
    try:
        found = msgspec.json.decode(data, type=DeviceCode, strict=False)
    except msgspec.MsgspecError:
        raise ExchangeFailed("the identity provider gave out no device code") from None
    urls = (found.verification_uri, found.verification_uri_complete)
    if any(url and not url.startswith(("https://", "http://")) for url in urls):
        raise ExchangeFailed(f"the identity provider sends people to {shown(urls[0])}")
    main, complete = (visible(url).replace("\n", "").replace(" ", "") for url in urls)
    return msgspec.structs.replace(
        found,
        user_code=visible(found.user_code).replace("\n", " "),
        verification_uri=main,
        verification_uri_complete=complete,
    )


def next_interval(interval: float, error: str) -> float | None:
    """Seconds until the next poll; None: it is over."""
    if error == "authorization_pending":
        return interval
    if error == "slow_down":
        return interval + SLOWER_S
    return None


async def wait(
    code: DeviceCode, poll: Callable[[], Awaitable[T]], *, sleep: Sleep, clock: Clock
) -> T:
    """Until the person has decided. ``poll`` asks once; after a success it is never called again,
    since a provider may take a second use of the code for a theft and end the login. Raises
    ExchangeRefused, which says who ended it."""
    interval = code.interval
    until = clock() + code.expires_in
    trouble: ExchangeFailed | None = None
    while clock() + interval < until:
        await sleep(interval)
        try:
            return await poll()
        except ExchangeFailed as error:  # for a moment? RFC 8628, 3.5 asks for longer waits
            trouble = error
            interval = min(2 * max(interval, 1.0), _LONGEST_S)
        except ExchangeRefused as error:
            longer = next_interval(interval, error.error)
            if longer is None:
                raise _over(error) from None
            interval, trouble = longer, None
    if trouble:
        raise trouble
    raise ExchangeRefused("the code has expired: nobody entered it in time", "", "expired_token")


def _over(error: ExchangeRefused) -> ExchangeRefused:
    words = {
        "access_denied": "the login was refused in the browser",
        "expired_token": "the code has expired: nobody entered it in time",
    }
    return ExchangeRefused(words.get(error.error, error.message), error.hint, error.error)
