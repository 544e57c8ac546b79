"""No credential of a request reaches a model: not in the words, nor in what it is told after."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmdai_shell.core import Completion, SuggestRequest
from cmdai_shell.errors import BadCompletion
from tests.fakes.dict_look import DictLook
from tests.suggest.test_service import Desk

SECRETS = st.from_regex(r"[a-z]{4}[0-9]{4}[A-Za-z0-9.]{0,9}[0-9]", fullmatch=True)
PLACES = st.sampled_from(
    (
        "clone https://bob:{}@git.example.com/x.git into notes.txt",
        "log in with password: {} and read notes.txt, then say {}",
        "the token is '{}/of.it', send src/notes.txt",
        "connect with mysql -uroot -p{} shop < dump.sql",
        "curl -u bob:{} https://example.com/a.txt",
        "export TOKEN=~/{}/key.pem and upload it",
    )
)
ANSWERS = st.sampled_from(
    ("SECRET_1", "git clone", "xyz --it SECRET_1", "<name> SECRET_1", "ls 'SECRET_1", "a; SECRET_1")
)


class Recorder:
    """It answers the same for ever; ``prompts`` in both forms."""

    def __init__(self, answer):
        self.answer, self.prompts = answer, []

    async def complete(self, prompt, timeout, *others):
        self.prompts += [prompt, prompt.rich(frozenset({"large", "schema"}))]
        yield Completion(text=self.answer, backend="recorder")

    def could_ask(self, target):
        return True


def texts(prompt):
    yield from (prompt.system, prompt.user)
    for pair in (*prompt.examples, *prompt.near):
        yield from pair


@pytest.mark.parametrize("failed", [False, True])
@given(secret=SECRETS, place=PLACES, answer=ANSWERS)
@settings(max_examples=60, deadline=None)
async def test_on_no_try(failed, secret, place, answer):
    words = place.replace("{}", secret)
    fields = {"last_command": words, "last_status": 1} if failed else {"line": words}
    desk, model = Desk(look=DictLook(["mysql"]), suggest={"share_cwd": True}), Recorder(answer)
    desk.suggester._sampler._completer = model
    for op in ("suggest", "next"):
        request = SuggestRequest(op=op, alternative=2, path="/usr/bin", cwd="/srv", **fields)
        try:
            async for _ in desk.suggester.suggest(request):
                pass
        except BadCompletion:
            pass
    assert model.prompts
    for prompt in model.prompts:
        assert not [text for text in texts(prompt) if secret in text]


async def test_the_second_try_names_the_address_without_it():
    desk = Desk({"clone": [["git clone"]]}, suggest={"share_cwd": True})
    found = await desk.last("clone https://bob:hunter2@git.example.com/x", cwd="/hunter2")
    assert desk.asked == 2
    assert not any("hunter2" in prompt.user for prompt in desk.backend.prompts)
    assert desk.backend.prompts[1].user.endswith(
        "use https://bob:SECRET_1@git.example.com/x\n# in /SECRET_1"
    )
    assert found.explanation == "https://bob:hunter2@git.example.com/x is not in it"
