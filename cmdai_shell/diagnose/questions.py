"""DNS questions to name servers, each by itself: what a resolver hides is which of them fails, how.

Everything that is answered was written by others: names are bounded and made visible here.
"""

from __future__ import annotations

import selectors
import socket
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cmdai_shell.discovery.nameservers import NameServer

PAYLOAD = 1_232
"""Bytes of an answer over UDP; the rest comes over TCP."""
MOST = 200
"""Records of one answer that are looked at."""
_LONGEST = 65_535

State = Literal[
    "found", "empty", "absent", "servfail", "refused", "strange", "silent", "closed", "nameless"
]
"""``empty``: there is the name, without such a record. ``absent``: NXDOMAIN. ``strange``: another
error, or no answer that can be read. ``closed``: nothing listens there. ``nameless``: the name
server is given by a name that has no address."""

DEAD = frozenset({"silent", "closed", "nameless"})
"""No answer at all."""


class Question(NamedTuple):
    name: str
    """Without a dot at its end."""
    kind: str
    """``SRV``, ``SOA``, ``A`` ..."""


@dataclass(frozen=True, slots=True)
class Reply:
    state: State
    ttl: int = 0
    """Seconds, of what was found."""
    targets: tuple[str, ...] = ()
    """Of SRV records, without the dot; ``.`` is no service."""


Replies: TypeAlias = "dict[NameServer, dict[Question, Reply]]"


def ask(servers: Sequence[NameServer], questions: Collection[Question], seconds: float) -> Replies:
    """Every question to every server. Ends when all have answered; each is asked twice at most."""
    until = time.monotonic() + seconds
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        talks = [_Talk(server, questions, until) for server in servers]
        for talk in talks:
            if opened := talk.open(stack):
                selector.register(opened, selectors.EVENT_READ, talk)
        again_at = time.monotonic() + seconds / 2
        for talk in talks:
            talk.send()
        while (now := time.monotonic()) < until and any(talk.waiting for talk in talks):
            if now >= again_at:
                again_at = until
                for talk in talks:
                    talk.send()
            for key, _ in selector.select(max(0.0, min(again_at, until) - now)):
                key.data.hear()
    return {talk.server: talk.replies() for talk in talks}


class _Talk:
    """With one name server, over a socket that hears from nobody else."""

    def __init__(self, server: NameServer, questions: Collection[Question], until: float) -> None:
        import dns.message

        self.server = server
        self.waiting = {
            number: (question, dns.message.make_query(*question, payload=PAYLOAD, id=number))
            for number, question in enumerate(questions, 1)
        }
        self._found: dict[Question, Reply] = {}
        self._rest: State = "silent"
        self._until = until
        self._socket: socket.socket | None = None
        self._address = ""

    def open(self, stack: ExitStack) -> socket.socket | None:
        try:
            infos = socket.getaddrinfo(self.server.host, self.server.port, type=socket.SOCK_DGRAM)
        except OSError:
            self._end("nameless")
            return None
        family, *_, address = infos[0]
        self._address = str(address[0])
        found = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        found.setblocking(False)
        try:
            found.connect(address)
        except OSError:  # no route to there
            self._end("silent")
            return None
        self._socket = found
        return found

    def send(self) -> None:
        for _, query in list(self.waiting.values()):
            try:
                if self._socket:
                    self._socket.send(query.to_wire())
            except ConnectionRefusedError:  # what it says of an earlier packet
                self._end("closed")
            except OSError:
                pass  # counts as lost

    def hear(self) -> None:
        """One packet, if there is one."""
        import dns.exception
        import dns.flags
        import dns.message

        assert self._socket  # noqa: S101
        try:
            wire = self._socket.recv(_LONGEST)
        except ConnectionRefusedError:
            self._end("closed")
            return
        except OSError:
            return
        asked = self.waiting.get(int.from_bytes(wire[:2]))
        if asked is None:
            return
        question, query = asked
        try:
            answer = dns.message.from_wire(wire, ignore_trailing=True)
        except (dns.exception.DNSException, ValueError):
            self._take(question, Reply("strange"))
            return
        if query.is_response(answer):
            is_cut = bool(answer.flags & dns.flags.TC)
            self._take(question, self._whole(question) if is_cut else read(answer, question))

    def replies(self) -> dict[Question, Reply]:
        waiting = {question: Reply(self._rest) for question, _ in self.waiting.values()}
        return self._found | waiting

    def _whole(self, question: Question) -> Reply:
        """What did not go into one packet."""
        import dns.exception
        import dns.message
        import dns.query

        query = dns.message.make_query(*question)
        left = max(0.1, self._until - time.monotonic())
        with suppress(dns.exception.DNSException, OSError, EOFError, ValueError):
            port = self.server.port
            return read(dns.query.tcp(query, self._address, timeout=left, port=port), question)
        return Reply("silent")

    def _take(self, question: Question, reply: Reply) -> None:
        self._found[question] = reply
        self.waiting = {
            number: asked for number, asked in self.waiting.items() if asked[0] != question
        }

    def _end(self, state: State) -> None:
        for question, _ in list(self.waiting.values()):
            self._take(question, Reply(state))


def read(answer: Any, question: Question) -> Reply:
    """What a whole message of dnspython says. An alias that leads elsewhere is found, as far as
    this server goes."""
    import dns.exception
    import dns.rcode

    errors: dict[Any, State] = {
        dns.rcode.NXDOMAIN: "absent",
        dns.rcode.SERVFAIL: "servfail",
        dns.rcode.REFUSED: "refused",
        dns.rcode.NOTAUTH: "refused",
    }
    if answer.rcode() != dns.rcode.NOERROR:
        return Reply(errors.get(answer.rcode(), "strange"))
    try:
        chain = answer.resolve_chaining()
    except (dns.exception.DNSException, AttributeError):
        return Reply("strange")
    if not answer.answer:
        return Reply("empty")
    records = list(chain.answer or ())[:MOST]
    targets = [_plain(record.target.to_text()) for record in records if question.kind == "SRV"]
    return Reply("found", int(chain.minimum_ttl), tuple(dict.fromkeys(targets)))


def _plain(name: str) -> str:
    return visible(name).removesuffix(".")[:253] or "."
