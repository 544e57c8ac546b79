"""Chat turns as one text, for servers that apply no chat template: TGI's and Triton's protocols.

Pure. Each family's form is the one of its publisher's chat template; tests hold it against
llama.cpp's renderings. No form begins with the tokenizer's first token (``<s>``,
``<|begin_of_text|>``): vLLM, TGI and TensorRT-LLM all put it there themselves, and two of them
make answers worse.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from cmdai_shell.core import Prompt

_MARKS = (
    r"<\|[^|<>\s]{0,64}\|>",  # ChatML, Llama 3, Phi, Harmony
    r"<｜[^｜<>\s]{0,64}｜>",  # noqa: RUF001  DeepSeek writes them with these bars
    r"<(?:start|end)_of_turn>",  # Gemma
    r"\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_RESULTS|TOOL_CALLS|TOOL_CONTENT|THINK)\]",
)
"""What a tokenizer may read as one special token, whatever the family: what is configured, or
guessed from a name, may be wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One family's form. Each pair stands before and after a turn's text."""

    user: tuple[str, str]
    assistant: tuple[str, str]
    opening: str
    """Begins the answer."""
    stop: tuple[str, ...]
    """What ends it, should the server write it out instead of stopping."""
    system: tuple[str, str] | None = None
    """None: there is no such turn; its text stands above the first question."""
    begin: str = ""
    marks: tuple[str, ...] = ()
    """Special tokens of this family alone, which elsewhere may be what a person means (``<s>``)."""

    def render(self, prompt: Prompt) -> str:
        """The whole text. It changes from press to press only where the prompt does, so that a
        server can keep the part before evaluated; no text of a person makes a turn."""
        above, parts = "", [self.begin]
        if self.system and prompt.system:
            parts.append(_turn(self.system, self.defuse(prompt.system)))
        elif prompt.system:
            above = self.defuse(prompt.system) + "\n\n"
        for asked, answered in (*prompt.examples, *prompt.near):
            parts.append(_turn(self.user, above + self.defuse(asked)))
            parts.append(_turn(self.assistant, self.defuse(answered)))
            above = ""
        parts.append(_turn(self.user, above + self.defuse(prompt.user)))
        return "".join(parts) + self.opening

    def defuse(self, text: str) -> str:
        """A blank into each special token, which makes plain text of it. Seen, so that nothing
        hidden comes back inside a command."""
        return _pattern(self.marks).sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)


@cache
def _pattern(marks: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join((*_MARKS, *map(re.escape, marks))))


def _turn(around: tuple[str, str], text: str) -> str:
    return around[0] + text + around[1]


_CHATML = Template(
    system=("<|im_start|>system\n", "<|im_end|>\n"),
    user=("<|im_start|>user\n", "<|im_end|>\n"),
    assistant=("<|im_start|>assistant\n", "<|im_end|>\n"),
    opening="<|im_start|>assistant\n",
    stop=("<|im_end|>", "<|endoftext|>"),
)
_BOS = ("<s>", "</s>", "<unk>")

FAMILIES: dict[str, Template] = {
    "chatml": _CHATML,
    # Qwen3 with its thinking switched off, as its template does for enable_thinking=false.
    "qwen3": Template(
        system=_CHATML.system,
        user=_CHATML.user,
        assistant=_CHATML.assistant,
        opening="<|im_start|>assistant\n<think>\n\n</think>\n\n",
        stop=_CHATML.stop,
    ),
    "llama3": Template(
        system=("<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>"),
        user=("<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"),
        assistant=("<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"),
        opening="<|start_header_id|>assistant<|end_header_id|>\n\n",
        stop=("<|eot_id|>", "<|end_of_text|>"),
    ),
    # Mistral 7B, Mixtral, Codestral, Nemo: no system turn.
    "mistral": Template(
        user=("[INST] ", "[/INST]"),
        assistant=(" ", "</s>"),
        opening="",
        stop=("</s>", "[INST]"),
        marks=_BOS,
    ),
    # From Mistral Small 3 on (tokenizer v7 and later).
    "mistral-v7": Template(
        system=("[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
        user=("[INST]", "[/INST]"),
        assistant=("", "</s>"),
        opening="",
        stop=("</s>", "[INST]"),
        marks=_BOS,
    ),
    "gemma": Template(
        user=("<start_of_turn>user\n", "<end_of_turn>\n"),
        assistant=("<start_of_turn>model\n", "<end_of_turn>\n"),
        opening="<start_of_turn>model\n",
        stop=("<end_of_turn>", "<eos>"),
        marks=("<bos>", "<eos>", "<pad>"),
    ),
    # gpt-oss (github.com/openai/harmony, docs/format.md). Opened in the final channel: it would
    # think before, and longer than a press may take.
    "harmony": Template(
        begin="<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI."
        "\nKnowledge cutoff: 2024-06\n\nReasoning: low\n\n# Valid channels: analysis, commentary, "
        "final. Channel must be included for every message.<|end|>",
        system=("<|start|>developer<|message|># Instructions\n\n", "<|end|>"),
        user=("<|start|>user<|message|>", "<|end|>"),
        assistant=("<|start|>assistant<|channel|>final<|message|>", "<|end|>"),
        opening="<|start|>assistant<|channel|>final<|message|>",
        stop=("<|return|>", "<|end|>", "<|call|>"),
    ),
    # DeepSeek V2.5 and V3.
    "deepseek": Template(
        system=("", ""),
        user=("<｜User｜>", ""),  # noqa: RUF001
        assistant=("<｜Assistant｜>", "<｜end▁of▁sentence｜>"),  # noqa: RUF001
        opening="<｜Assistant｜>",  # noqa: RUF001
        stop=("<｜end▁of▁sentence｜>", "<｜User｜>"),  # noqa: RUF001
    ),
    # R1, its distillations, V3.1: the same with the thought closed before it begins.
    "deepseek-r1": Template(
        system=("", ""),
        user=("<｜User｜>", ""),  # noqa: RUF001
        assistant=("<｜Assistant｜>", "<｜end▁of▁sentence｜>"),  # noqa: RUF001
        opening="<｜Assistant｜><think>\n\n</think>\n\n",  # noqa: RUF001
        stop=("<｜end▁of▁sentence｜>", "<｜User｜>"),  # noqa: RUF001
    ),
    # Phi-3, Phi-3.5.
    "phi3": Template(
        system=("<|system|>\n", "<|end|>\n"),
        user=("<|user|>\n", "<|end|>\n"),
        assistant=("<|assistant|>\n", "<|end|>\n"),
        opening="<|assistant|>\n",
        stop=("<|end|>", "<|endoftext|>"),
        marks=_BOS,
    ),
    "phi4": Template(
        system=("<|im_start|>system<|im_sep|>", "<|im_end|>"),
        user=("<|im_start|>user<|im_sep|>", "<|im_end|>"),
        assistant=("<|im_start|>assistant<|im_sep|>", "<|im_end|>"),
        opening="<|im_start|>assistant<|im_sep|>",
        stop=("<|im_end|>", "<|endoftext|>"),
    ),
    "phi4-mini": Template(
        system=("<|system|>", "<|end|>"),
        user=("<|user|>", "<|end|>"),
        assistant=("<|assistant|>", "<|end|>"),
        opening="<|assistant|>",
        stop=("<|end|>", "<|endoftext|>"),
    ),
}
"""What ``chat_template`` may be."""

_NAMES: tuple[tuple[str, str], ...] = (
    # A distilled model is called after both, and talks like the one it was distilled from.
    (r"deepseek.*(r1|v3\.[1-9])", "deepseek-r1"),
    (r"deepseek", "deepseek"),
    (r"gpt-?oss", "harmony"),
    (r"phi-?4.*mini", "phi4-mini"),
    (r"phi-?4", "phi4"),
    (r"phi-?3", "phi3"),
    (r"gemma", "gemma"),
    (r"mistral-(small|medium|large).*(2411|25\d\d|26\d\d)|devstral|magistral", "mistral-v7"),
    (r"mi[sx]tral|codestral|ministral|mathstral", "mistral"),
    (r"hermes", "chatml"),
    (r"llama-?_?3|llama-?_?4", "llama3"),
    (r"qwen-?3(?!.*(instruct|coder|next))", "qwen3"),
)
"""Parts of a model's id, in small letters, and the family they mean; the first that fits."""


def choose(model: str, configured: str = "") -> Template:
    """The family of a model by what it is called, ``configured`` before that; ChatML, which most
    speak, where the name says nothing. Raises ConfigError for an unknown family."""
    if configured:
        return _named(configured)
    name = model.lower()
    family = next((family for pattern, family in _NAMES if re.search(pattern, name)), "chatml")
    return FAMILIES[family]


def _named(word: str) -> Template:
    try:
        return FAMILIES[word]
    except KeyError:
        near = difflib.get_close_matches(word, FAMILIES, 1)
        hint = f"did you mean {near[0]}?" if near else f"use one of: {', '.join(FAMILIES)}"
        raise ConfigError(f"unknown chat_template '{word}'", hint) from None
