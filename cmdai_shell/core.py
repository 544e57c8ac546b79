"""The words the whole program is written in: frozen data types and the Protocols between layers.

Standard library only, and cheap to import: the keypress path starts here.
Times are seconds (float), texts are ``str`` without control characters unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping

Op = Literal["suggest", "next", "fix", "explain", "ping"]
Shell = Literal["bash", "zsh", "fish"]
Action = Literal["insert", "arm", "refuse", "restore"]
"""What the hook does with a suggestion: put it on the line; show it and wait for a second press;
show why not; put the person's own line back."""

Ability = Literal["schema", "large"]
"""What not every backend can: hold its answer to a JSON schema; follow many instructions at once
and read much context, as models of some 7B parameters and more do."""
Abilities: TypeAlias = frozenset[Ability]

Clock: TypeAlias = "Callable[[], float]"
"""A monotonic clock in seconds; always passed in, never called from a module."""


class Risk(IntEnum):
    """How much a command can harm. Ordered: a higher value is worse."""

    SAFE = 0
    CAUTION = 1
    DANGEROUS = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What ``safety.assess`` found. ``reasons`` are plain sentences, worst first; ``safer`` is a
    command that reaches the same end with less harm, or empty."""

    risk: Risk
    reasons: tuple[str, ...] = ()
    safer: str = ""


EMBEDDED = "embedded"
"""The name of the model on this machine, where servers are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whom a request may ask, by name. Empty: whom the configuration says."""

    environment: str = ""
    backend: str = ""
    """An endpoint's id, or ``EMBEDDED``: no server."""


ANYBODY = Target()


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestRequest:
    """One keypress (or one command-line call), as the shell sees itself."""

    op: Op = "suggest"
    shell: Shell = "bash"
    any_shell: bool = False
    """It comes from no shell: ``default_shell`` of the configuration is meant."""
    shell_version: str = ""
    line: str = ""
    """The person's own text, never our suggestion: for ``next`` the text it was made from."""
    cursor: int = -1
    """Character index into ``line``; -1 is its end."""
    cwd: str = ""
    last_status: int = 0
    last_command: str = ""
    path: str = ""
    """The shell's own ``$PATH``: programs are looked up there, not on the daemon's."""
    width: int = 80
    """Columns of the terminal."""
    environment: str = ""
    """Only servers of this one are asked; empty is the one in use."""
    backend: str = ""
    """Only this server is asked; ``embedded``: none is."""
    safety_level: str = ""
    """``strict``, ``moderate`` or ``permissive`` for this request alone; any other word, and empty,
    is the configured one."""
    alternative: int = 0
    """For ``next``: which alternative is wanted, 1 being the first after the suggestion itself."""
    timeout: float = 0.0
    """Seconds until the request has failed; 0 is the configured ``suggest.deadline_ms``."""
    offered: str = ""
    """What this shell last put on a line, if it has not told yet what became of that; then"""
    ran: str = ""
    """what the line was when it was run, empty if it was not, and"""
    ran_status: int = -1
    """its exit status, negative while nobody knows."""
    private: bool = False
    """The shell keeps no history now: nothing of this is kept either."""

    @property
    def target(self) -> Target:
        return Target(environment=self.environment, backend=self.backend)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a backend is asked. ``system`` and ``examples`` are byte-identical from press to press,
    so that a server can keep them evaluated; only ``user`` changes."""

    system: str
    examples: tuple[tuple[str, str], ...] = ()
    """(what a person asked, the right answer) pairs, as earlier turns of the conversation."""
    near: tuple[tuple[str, str], ...] = ()
    """More of them, chosen for this request, nearest last; they come after ``examples``."""
    own: int = 0
    """How many of these, counted from the last, are the person's own."""
    user: str = ""
    stop: tuple[str, ...] = ()
    max_tokens: int = 96
    temperature: float = 0.0
    seed: int = 0
    """With a temperature: which of the possible answers. Same seed, same answer."""
    n: int = 1
    """Candidates wanted, all in the text of one answer. Not the ``n`` of the OpenAI protocol, whose
    answers know nothing of each other and which some servers refuse."""
    schema: str = ""
    """A JSON schema that the answer has to keep to; empty: plain text. Only a backend with the
    ability "schema" is given one."""
    fields: tuple[str, ...] = ()
    """All that ``user``, ``near`` and, in a rich form, ``system`` tell of the person and the
    machine: fields of the SuggestRequest, "system", "tools", "listing", "recipes",
    "history". It is what ``status`` says was sent."""
    for_command: bool = False
    """The answer is to be a command: what a model learnt of commands (LoRA) takes part in it."""
    rich: RichForm | None = field(default=None, compare=False, repr=False)
    """Makes the prompt that a backend with the ability "large" is asked instead of this one.

    Only who routes knows who is asked, and after a failover the next one has to be asked in its own
    form: so both forms travel together, and no backend ever sees more than its own. A function,
    because what the rich form takes (more recipes) is looked for only if somebody is asked it."""


RichForm: TypeAlias = "Callable[[Abilities], Prompt]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """Raw model text and what it cost. Hostile input until ``suggest.extract`` has had it."""

    text: str
    backend: str
    model: str = ""
    ttft: float = 0.0
    elapsed: float = 0.0
    tokens: int = 0
    is_fallback: bool = False
    """The embedded model answered although a server was configured."""
    attempts: tuple[str, ...] = ()
    """What the members tried before this one answered, one sentence each."""
    remedy: str = ""
    """Of these, what no time mends, and what to type about it."""
    abilities: Abilities = frozenset()
    """The backend's: with "large" this is the answer to ``Prompt.rich``, if there was one."""
    is_cut: bool = False
    """See ``Cut``."""
    cold: float = 0.0
    """Seconds of ``elapsed``. See ``Cold``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """The command so far (cumulative). Only ever text that would be safe to run as it stands."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One line for the status area while the person waits ("loading the model, 2 s")."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut(Notice):
    """The last that a backend yields of an answer that is not whole, as it had no tokens left or
    was censored: its last line may be half a command. It is not shown."""

    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cold(Notice):
    """What a backend yields behind an answer for which it first had to load its model, or to read
    what all prompts begin with: these seconds the next answer does not need. It is not shown."""

    text: str = ""
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """A final answer that changes nothing: one line that says what to do next."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A final answer to ``explain``: what each part of the line does, one part a line."""

    text: str
    verdict: Verdict
    elapsed: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A final answer with a command. ``index`` of ``count`` known alternatives, counted from 1;
    index 0 is the person's own text again (``action == "restore"``)."""

    command: str
    verdict: Verdict
    action: Action = "insert"
    explanation: str = ""
    alternatives: tuple[str, ...] = ()
    index: int = 1
    count: int = 1
    backend: str = ""
    is_fallback: bool = False
    elapsed: float = 0.0
    attempts: tuple[str, ...] = ()
    remedy: str = ""
    """As ``Completion`` has them."""


Update = Partial | Notice | Hint | Explanation | Suggestion
"""What a press yields: any number of ``Partial`` and ``Notice``, then exactly one of the others."""


class Backend(Protocol):
    """A live object that answers prompts: a remote server's adapter or the embedded model."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str:
        """Its name in a sentence for a person."""

    @property
    def model(self) -> str:
        """The model it answers with, or empty while unknown."""

    @property
    def abilities(self) -> Abilities:
        """What it can beyond answering plain prompts with plain text; none for a small model. They
        may change as more is learned of the server: they are read at each request."""

    def stream(self, prompt: Prompt, timeout: float) -> AsyncIterator[str | Notice]:
        """Yield text deltas as they come, and notices while nothing can come (a model loading).

        Closing the iterator cancels the work at once. Raises BackendError (or a subclass), or
        ModelUnavailable, when no answer can come. Once the prompt has been written to who computes,
        and not before, ``observe.traces.prompt_written`` is called: what is said to have been sent
        was sent.
        """

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An address record: where a server is said to be, and who says so. Data, never live."""

    id: str
    """Stable name in `status`, logs and metrics, unique in a pool: ``home-lab/spark:8000``."""
    url: str
    """Base address without a slash at its end, ``http://192.168.1.100:8000``; what belongs to the
    protocol (``/v1``) is the adapter's, unless the person wrote a path."""
    kind: str = "auto"
    """A word of the backends table, or ``auto``: ask the server what it is."""
    source: str = "static"
    environment: str = ""
    priority: int = 0
    """Its tier: higher is asked first (the DGX plan's sense; SRV's is the reverse)."""
    weight: int = 1
    model: str = ""
    """The model wanted; empty: the server's first."""
    labels: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 0.0
    """Seconds after which an answer has failed; 0: only the request's own deadline counts."""
    retries: int = 0
    """How often one request may ask it again, where nobody else is left, each time after"""
    backoff: float = 0.1
    """seconds."""
    login: str = ""
    """Whose credentials go to it, by name: two with the same have the same. Empty: it gets none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A source says that there is a server. One with the same ``id`` is replaced.

    Of the endpoint's ``labels`` these have a meaning of their own, where a source knows them:
    ``host`` (its name, ``spark-1a2b.local``), ``addresses`` (all it is said to have, by blanks,
    with the scope of a link-local one), ``interface``, ``instance`` (a service's name),
    ``uuid`` (an identity that it claims), ``spki`` (a key that it claims, ``sha256/`` and base64),
    ``auth`` (none, bearer, mtls, oidc), ``namespace``, ``domain``, ``network`` (an address of ours
    on the link it was heard on, with its prefix length), ``via_gateway``. All of them are claims.
    """

    endpoint: Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """A source no longer says so. What is well without it may stay in use."""

    id: str


class Source(Protocol):
    """Somebody who says where servers are. Nothing of what it says is trusted."""

    @property
    def name(self) -> str:
        """As ``Endpoint.source`` has it, and more where there are several: ``dns:example.org``."""

    def watch(self) -> AsyncIterator[Added | Removed]:
        """Until closed. Raises DiscoveryError when it cannot go on: it is begun again later, and
        what it said before stands until it says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a server's own metrics say of its queue. None is unknown, which is not zero."""

    running: int | None = None
    waiting: int | None = None
    cache_used: float | None = None
    """Share of the KV cache in use, 0 to 1."""
    generated: float | None = None
    """Tokens generated since its start: flat while requests run means wedged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a server turned out to be. ``latency`` is the first request's seconds."""

    kind: str
    """The software: ``vllm``, ``tgi``, ``triton``, ``llama.cpp``, ``ollama``, ``openai`` ..."""
    version: str = ""
    models: tuple[str, ...] = ()
    latency: float = 0.0
    via_gateway: bool = False
    """A router answers for it: its metrics, if any, are not one engine's."""


ServerState = Literal[
    "not-asked", "unreachable", "tls", "login", "loading", "no-model", "wrong-answer", "slow", "ok"
]
"""``not-asked``: something is missing here, a package or a setting. No server says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a handshake: ``connect``, ``identify``, ``model``, ``compute``."""

    name: str
    seconds: float
    detail: str = ""
    is_ok: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """What the real-compute check found. Only ``ok`` and ``slow`` can answer a prompt."""

    state: ServerState
    detail: str = ""
    hint: str = ""
    ttft: float = 0.0
    elapsed: float = 0.0
    tokens: int = 0
    probe: Probe | None = None
    steps: tuple[Step, ...] = ()
    retry_after: float = 0.0
    """Seconds that it wants to be left alone, if it says so."""


class Server(Backend, Protocol):
    """A backend behind a network: what ``routing`` and the command line see beyond ``Backend``."""

    @property
    def endpoint(self) -> Endpoint: ...

    @property
    def is_warm(self) -> bool:
        """A connection stands open that the next request can use."""

    async def identify(self, timeout: float) -> Probe:
        """Ask in few requests what it is, without a prompt. Raises BackendError."""

    async def handshake(self, timeout: float) -> Handshake:
        """Have it compute something that cannot be canned. Never raises for the server's state."""

    async def load(self, timeout: float) -> Load:
        """Its queue now; all unknown where it has no metrics. Never raises for want of them, but
        BackendError where it says that it is ill."""

    async def warm(self, timeout: float) -> None:
        """Open a connection ahead of a request; no matter if that fails."""


class Completer(Protocol):
    """What ``suggest`` sees of ``routing``."""

    def complete(
        self, prompt: Prompt, timeout: float, target: Target = ANYBODY
    ) -> AsyncIterator[str | Notice | Completion]:
        """Yield text deltas and notices, and last the whole Completion. Servers that ``target``
        does not mean are not asked.

        Raises NoBackendAvailable when every member failed, ModelUnavailable when the only member
        is the embedded model and there is none. Closing the iterator cancels down to the backend.
        """

    def could_ask(self, target: Target = ANYBODY) -> bool:
        """Whether a server of those is well, as far as is known."""


class Recipes(Protocol):
    """What ``suggest`` knows of other people's words."""

    def near(
        self, words: str, shell: Shell, userland: str, most: int, has: Callable[[str], bool]
    ) -> tuple[tuple[str, str], ...]:
        """At most ``most`` pairs of a phrase and its command, the nearest last; only of programs
        that ``has`` knows."""


class History(Protocol):
    """What ``suggest`` knows of what the person made of earlier suggestions. Only what was run and
    did not fail; credentials are placeholders, the same ones as in a prompt of these words."""

    def own(self, words: str, shell: Shell) -> str:
        """The command that the person last ran for just these words, or empty."""

    def near(
        self, words: str, shell: Shell, most: int, fits: Callable[[str], bool]
    ) -> tuple[tuple[str, str], ...]:
        """At most ``most`` pairs of other words and their command, the nearest last; only commands
        that ``fits`` lets pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An option of a program as its manual has it: ``names`` with their dashes (ps and dd have
    some without: "a", "if="), ``argument`` as
    the page calls it (empty: takes none), ``text`` its first sentence."""

    names: tuple[str, ...]
    argument: str = ""
    optional_argument: bool = False
    """The argument may be missing, and belongs to the option's own word."""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of the manual. ``name`` is what it calls itself ("bunzip2, bzip2"); ``mentioned`` is
    every option that is named anywhere in it, explained or not."""

    name: str
    summary: str = ""
    options: tuple[Option, ...] = ()
    commands: tuple[Option, ...] = ()
    """Words that say what to do ("restart" of systemctl), with the same four things."""
    mentioned: tuple[str, ...] = ()


class Manual(Protocol):
    """What ``suggest`` knows of this machine's manual."""

    def page(self, name: str) -> Page | None:
        """The page of a program ("ls") or its subcommand ("git-commit"); None if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What stands at a path, as the daemon's user may use it. ``kind`` is empty where nothing is;
    what cannot be looked at is a file that nobody may read."""

    kind: Literal["", "file", "folder"] = ""
    is_readable: bool = False
    is_writable: bool = False
    is_executable: bool = False


class Look(Protocol):
    """What ``suggest`` may see of the host; the daemon hands it in, tests hand in a dictionary.

    The last five read the disk, and a disk can hang: they are called off the event loop. What they
    find enters no prompt, but for ``entries`` if ``suggest.share_listing`` says so. Paths are
    absolute or begin with ``~``.
    """

    def which(self, program: str, path: str) -> str:
        """Absolute path of the program on that PATH, or empty."""

    def platform(self) -> Mapping[str, str]:
        """Stable facts: ``system`` ("Debian 12"), ``userland`` ("GNU", "BSD", "busybox")."""

    def is_root(self) -> bool: ...

    def programs(self, path: str) -> Collection[str]:
        """Names that stand in the folders of that PATH; ``which`` says whether one can be run."""

    def entries(self, folder: str) -> Collection[str]:
        """The first some thousand names in a folder; none where it cannot be read."""

    def place(self, path: str) -> Place: ...

    def text(self, path: str) -> str:
        """The beginning of a text file, or empty."""
