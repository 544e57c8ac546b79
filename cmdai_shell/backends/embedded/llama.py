"""llama.cpp through its own C functions: one model, one context, one sequence.

The worker's only; nothing else may import it. llama-cpp-python's ``Llama`` class is passed over: it
copies the logits of every step into numpy, and importing it costs 23 MB and 0.15 to 0.4 s that a
person would wait.
"""

from __future__ import annotations

import collections
import ctypes
import importlib.metadata
import importlib.util
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BATCH = 128
"""Prompt tokens evaluated in one call."""
KV_TYPE = "f16"
_LOG_LINES = 40
SPLIT = "\ue000"
"""Private-use character (Unicode 23.5) that stands for a message while a template is rendered."""


class LoadFailed(Exception):
    """The model or its context could not be made; ``log`` is the end of what llama.cpp said."""

    def __init__(self, message: str, log: Sequence[str]) -> None:
        super().__init__(message)
        self.log = tuple(log)


class Aborted(Exception):
    """The caller's ``aborted`` said so in mid-evaluation; what was evaluated before is kept."""


def bindings() -> Any:
    """``llama_cpp.llama_cpp`` without the package's ``__init__`` (numpy, jinja2, diskcache).

    Raises ImportError when llama-cpp-python is absent, RuntimeError or OSError when its library
    does not load.
    """
    if "llama_cpp" not in sys.modules:
        found = importlib.util.find_spec("llama_cpp")
        if found is None or found.submodule_search_locations is None:
            raise ImportError("llama-cpp-python is not installed")
        package = types.ModuleType("llama_cpp")
        package.__path__ = list(found.submodule_search_locations)
        sys.modules["llama_cpp"] = package
    return importlib.import_module("llama_cpp.llama_cpp")


def without(lora: str) -> str:
    """What is said where the low-rank matrices are not there, or llama.cpp does not take them."""
    return f"it answers without what it learnt: {lora} cannot be used"


class Llama:
    """A loaded model. ``held`` are the tokens whose keys and values are in the context.

    Raises LoadFailed, and what ``bindings`` raises.
    """

    def __init__(
        self,
        path: str,
        *,
        threads: int,
        context_tokens: int,
        template: str = "",
        lora: str = "",
    ) -> None:
        self._c = c = bindings()
        self._log: collections.deque[str] = collections.deque(maxlen=_LOG_LINES)
        self._log_callback = c.llama_log_callback(self._heard)
        c.llama_log_set(self._log_callback, None)
        c.llama_backend_init()
        how = c.llama_model_default_params()
        how.n_gpu_layers = 0
        # llama.cpp's kernels for AMX crash or answer nonsense (its pull request 26954)
        how.use_extra_bufts = b"AMX_INT8 = 1" not in c.llama_print_system_info()
        self._model = c.llama_model_load_from_file(path.encode(), how)
        if not self._model:
            raise LoadFailed("the model could not be loaded", self._log)
        self._vocab = c.llama_model_get_vocab(self._model)
        self.lacks = ""
        """What is missing though the model answers."""
        self._lora = self._read_lora(lora) if lora else None
        self.with_lora = False
        self._context = self._new_context(threads, context_tokens)
        self._memory = c.llama_get_memory(self._context)
        named = template or c.llama_model_chat_template(self._model, None) or b"chatml"
        self._template = named.encode() if isinstance(named, str) else named
        self._one = (c.llama_token * 1)()
        self._piece = ctypes.create_string_buffer(256)
        self.held: list[int] = []
        self.context_tokens: int = c.llama_n_ctx(self._context)

    def _new_context(self, threads: int, context_tokens: int) -> Any:
        how = self._c.llama_context_default_params()
        how.n_ctx = context_tokens
        how.n_batch = how.n_ubatch = BATCH
        how.n_outputs_max = 1  # only the last token's logits are wanted: 9 MB instead of 75
        how.n_threads = how.n_threads_batch = threads
        how.type_k = how.type_v = self._c.GGML_TYPE_F16
        how.flash_attn_type = self._c.LLAMA_FLASH_ATTN_TYPE_ENABLED  # a third faster at 500 tokens
        how.no_perf = True
        context = self._c.llama_init_from_model(self._model, how)
        if not context:
            raise LoadFailed("the model's context could not be made", self._log)
        return context

    def _read_lora(self, path: str) -> Any:
        """None where this llama.cpp does not take it: the weights alone answer as well."""
        found = self._c.llama_adapter_lora_init(self._model, path.encode())
        if not found:
            self.lacks = without(path)
        return found

    def use_lora(self, wanted: bool) -> None:
        """With the low-rank matrices, or as the weights alone are; what was evaluated the other way
        is forgotten. A model that has none has one way only."""
        if not self._lora or wanted == self.with_lora:
            return
        c = self._c
        adapters = (c.llama_adapter_lora_p_ctypes * 1)(self._lora)
        if c.llama_set_adapters_lora(self._context, adapters, int(wanted), (ctypes.c_float * 1)(1)):
            raise ValueError("llama.cpp does not take what was learnt for this model")
        self.with_lora = wanted
        self.rewind(0)

    def _heard(self, _level: int, text: bytes, _data: object) -> None:
        if line := text.decode("utf-8", "replace").strip(". \n"):
            self._log.append(line)

    @property
    def version(self) -> str:
        """Of llama.cpp and its bindings: a saved state is good for exactly this."""
        package = importlib.metadata.version("llama-cpp-python")
        return f"{package} {self._c.llama_version().decode()}"

    # --- text and tokens

    def tokens(self, text: str, *, special: bool) -> list[int]:
        """``special`` only for text of ours: it lets ``<|im_end|>`` be more than characters."""
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        out = (self._c.llama_token * room)()
        count = self._c.llama_tokenize(self._vocab, data, len(data), out, room, False, special)
        if count < 0:
            raise ValueError(f"{-count} tokens for {len(data)} bytes")
        return list(out[:count])

    def chat(self, messages: Sequence[tuple[str, str]], fixed: int) -> tuple[list[int], list[int]]:
        """(prefix, own): the tokens up to the text of message number ``fixed``, and the rest.

        The template is rendered around placeholders and cut there, so that special tokens come
        from the template alone and never from a message. Raises ValueError for a template that
        llama.cpp does not know.
        """
        frames = self._frames([role for role, _ in messages])
        begins = self._c.llama_vocab_get_add_bos(self._vocab)
        prefix = [self._c.llama_vocab_bos(self._vocab)] if begins else []
        own: list[int] = []
        for number, (frame, (_, text)) in enumerate(zip(frames, messages, strict=False)):
            part = prefix if number <= fixed else own
            part += self.tokens(frame, special=True)
            part = prefix if number < fixed else own
            part += self.tokens(text, special=False)
        return prefix, own + self.tokens(frames[-1], special=True)

    def _frames(self, roles: Sequence[str]) -> list[str]:
        """What the template puts before, between and behind the messages."""
        chat = (self._c.llama_chat_message * len(roles))()
        for slot, role in zip(chat, roles, strict=True):
            slot.role, slot.content = role.encode(), SPLIT.encode()
        size = 1024 + 128 * len(roles)
        buffer = ctypes.create_string_buffer(size)
        used = self._c.llama_chat_apply_template(
            self._template, chat, len(roles), True, buffer, size
        )
        frames = buffer.raw[: max(used, 0)].decode().split(SPLIT)
        if not 0 < used <= size or len(frames) != len(roles) + 1:
            raise ValueError("llama.cpp does not know this model's chat template")
        return frames

    def piece(self, token: int) -> bytes:
        """A token's bytes; a special token has none."""
        size = self._c.llama_token_to_piece(
            self._vocab, token, self._piece, len(self._piece), 0, False
        )
        return self._piece.raw[: max(size, 0)]

    def ends(self, token: int) -> bool:
        return bool(self._c.llama_vocab_is_eog(self._vocab, token))

    # --- evaluation

    def rewind(self, count: int) -> None:
        """Forget all but the first ``count`` tokens."""
        del self.held[count:]
        self._c.llama_memory_seq_rm(self._memory, 0, count, -1)

    def evaluate(self, tokens: Sequence[int], aborted: Callable[[], bool]) -> None:
        """Append ``tokens`` to the context. Raises Aborted, or MemoryError."""
        callback = self._c.ggml_abort_callback(lambda _: aborted())
        self._c.llama_set_abort_callback(self._context, callback, None)
        try:
            for start in range(0, len(tokens), BATCH):
                part = tokens[start : start + BATCH]
                self._decode((self._c.llama_token * len(part))(*part), part)
        finally:
            self._c.llama_set_abort_callback(self._context, self._c.ggml_abort_callback(), None)

    def append(self, token: int) -> None:
        """Evaluate one token, without the cost of asking for an abort at every graph node."""
        self._one[0] = token
        self._decode(self._one, (token,))

    def _decode(self, array: Any, tokens: Sequence[int]) -> None:
        code = self._c.llama_decode(self._context, self._c.llama_batch_get_one(array, len(array)))
        if code == 0:
            self.held += tokens
            return
        self.rewind(len(self.held))
        if code == 2:
            raise Aborted
        raise MemoryError(f"llama_decode returned {code}")

    # --- sampling

    def sampler(self, temperature: float, seed: int) -> Sampler:
        return Sampler(self._c, self._context, temperature, seed)

    # --- state

    def state(self) -> bytes:
        """Everything evaluated, to be put back by ``restore``."""
        size = self._c.llama_state_seq_get_size(self._context, 0)
        buffer = (ctypes.c_uint8 * size)()
        used = self._c.llama_state_seq_get_data(self._context, buffer, size, 0)
        return bytes(memoryview(buffer)[:used])

    def restore(self, state: bytes, tokens: Sequence[int]) -> bool:
        """False, and an empty context, when llama.cpp does not take it."""
        self.rewind(0)
        buffer = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        if not self._c.llama_state_seq_set_data(self._context, buffer, len(state), 0):
            self.rewind(0)
            return False
        self.held = list(tokens)
        return True


class Sampler:
    """Greedy at temperature 0, else drawn with ``seed`` from the likely tokens."""

    def __init__(self, c: Any, context: Any, temperature: float, seed: int) -> None:
        self._c, self._context = c, context
        how = c.llama_sampler_chain_default_params()
        how.no_perf = True
        self._chain = c.llama_sampler_chain_init(how)
        if temperature > 0:
            parts = [
                c.llama_sampler_init_top_k(40),
                c.llama_sampler_init_top_p(0.95, 1),
                c.llama_sampler_init_temp(temperature),
                c.llama_sampler_init_dist(seed & 0xFFFFFFFF),
            ]
        else:
            parts = [c.llama_sampler_init_greedy()]
        for part in parts:
            c.llama_sampler_chain_add(self._chain, part)

    def next(self) -> int:
        return int(self._c.llama_sampler_sample(self._chain, self._context, -1))

    def close(self) -> None:
        self._c.llama_sampler_free(self._chain)
