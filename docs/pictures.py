"""Make the pictures in ``docs/pictures`` anew, of the real programs.

    python docs/pictures.py [terminal] [web] [topology] [press]

Wants tmux, Chromium (or ``CMDAI_TEST_BROWSER``), ffmpeg, and for ``press`` bash and the model of
the tests. Servers are an example's; a press is a real one, by the model on this CPU.
"""

# ruff: noqa: ASYNC240, S101, SLF001  # nobody waits for this program's loop
from __future__ import annotations

import asyncio
import io
import json
import os
import random
import shlex
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import terminal_theme
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from cmdai_shell.cli.client import Client  # noqa: E402
from cmdai_shell.diagnose import pictures, topology  # noqa: E402
from cmdai_shell.diagnose.routes import Route  # noqa: E402
from cmdai_shell.hooks.render import find_relay, render  # noqa: E402
from tests.browser import Tab, browser  # noqa: E402
from tests.fakes.api_socket import Told, api_socket  # noqa: E402
from tests.fakes.told_status import (  # noqa: E402
    LINKS,
    URLS,
    attempt,
    decision,
    told,
    trace,
    tried,
)
from tests.hooks.terminal import Terminal  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.terminal_theme import TerminalTheme

HERE = Path(__file__).with_name("pictures")
CLI = (sys.executable, "-c", "from cmdai_shell.cli.main import main; main()")
DARK, LIGHT = terminal_theme.SVG_EXPORT_THEME, terminal_theme.DEFAULT_TERMINAL_THEME
LOOKS = 45
WORDS = "the ten largest files under this folder"
DRAWING = """\
<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" \
xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; \
font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font: bold 16px sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""rich's own, without its fonts, which are fetched from elsewhere."""


# --- an example


def example() -> dict[str, Any]:
    """What a daemon with an afternoon behind it says."""
    status = told()
    status["decisions"] = [
        decision(
            tried("lab/spark:8000", outcome="failed", elapsed=0.05, detail="reset"),
            tried("cloud/gpu.example.com", "failed", elapsed=0.91),
            by="cloud/gpu.example.com",
            elapsed=0.96,
            ago_s=64.0,
        ),
        decision(tried("lab/spark:8000"), by="lab/spark:8000"),
    ]
    return status


def lived(there: Told, look: int, chance: random.Random) -> None:
    """One look later."""
    lab, desk, _ = there.status["servers"]
    lab["ttft"] = lab["score"] = 0.21 + 0.12 * chance.random() + (0.3 if look % 17 == 5 else 0)
    if look == LOOKS // 4:
        desk.update(state="ok", breaker="closed", why="", ttft=0.4, model="Qwen2.5-Coder-7B")
    if look == LOOKS - 8:
        desk.update(state="unreachable", breaker="open", why="refused", ttft=0.0)


def requests(now: float, chance: random.Random) -> list[dict[str, Any]]:
    """Half an hour of them."""
    asked: dict[str, dict[str, Any]] = {
        "lab/spark:8000": {"mean": 5.8, "origin": "server"},
        "embedded": {"mean": 7.2, "origin": "embedded"},
        "": {"mean": 1.1, "origin": "history"},
    }
    made = []
    for number in range(70):
        by = chance.choice(["lab/spark:8000"] * 6 + ["embedded"] + [""])
        ms = chance.lognormvariate(asked[by]["mean"], 0.35)
        one = trace(
            number,
            *([attempt(by, elapsed_ms=ms - 8)] if by else []),
            at=now - 1750 * chance.random() ** 1.2,
            origin=asked[by]["origin"],
            elapsed_ms=ms,
            calls=[{"backend": by}] if by else [],
        )
        if not by:
            one["attempts"] = []
        if number % 23 == 7:
            lost = attempt("lab/spark:8000", "failed", cause="reset", elapsed_ms=51.0)
            one |= {"attempts": [lost, attempt("cloud/gpu.example.com", elapsed_ms=910.0)]}
            one |= {"calls": [{"backend": "cloud/gpu.example.com"}], "elapsed_ms": 967.0}
            one |= {"origin": "server"}
        if number % 31 == 12:
            lost = attempt("lab/spark:8000", "failed", cause="timeout", elapsed_ms=4900.0)
            one |= {"attempts": [lost], "calls": [{"backend": ""}], "elapsed_ms": 4960.0}
            one |= {"origin": "none", "outcome": "no-backend-available", "risk": ""}
        made.append(one)
    return sorted(made, key=lambda one: float(one["at"]))


@contextmanager
def place() -> Iterator[Path]:
    """Folders of our own for every program that is started."""
    with tempfile.TemporaryDirectory(prefix="cmdai-", dir="/tmp") as name:
        for kind in ("RUNTIME", "CONFIG", "DATA", "CACHE", "LOG"):
            folder = Path(name, kind.lower())
            folder.mkdir(mode=0o700)
            os.environ[f"CMDAI_{kind}_DIR"] = str(folder)
        os.environ["CMDAI_MDNS"] = "false"
        yield Path(name)


# --- the terminal


def terminal() -> None:
    for name, columns, rows, theme, environ in (
        ("dashboard-80x24", 80, 24, DARK, {}),
        ("dashboard-80x24-light", 80, 24, LIGHT, {}),
        ("dashboard-80x24-no-colour", 80, 24, LIGHT, {"NO_COLOR": "1"}),
        ("dashboard-200x50", 200, 50, DARK, {}),
    ):
        with place() as folder, api_socket(example()) as there:
            words = [*CLI, "dashboard", "--interval", "0.1"]
            made = Terminal(
                words,
                folder=folder,
                env={**os.environ, **environ},
                columns=columns,
                rows=rows,
            )
            try:
                made.wait_screen("lab/spark:8000")
                chance = random.Random(7)  # noqa: S311
                for look in range(LOOKS):
                    lived(there, look, chance)
                    seen = there.served
                    made.wait(lambda seen=seen: there.served > seen, "a look")  # type: ignore[misc]
                made.wait_screen("breaker open")
                (HERE / f"{name}.svg").write_text(drawing(styled(made), columns, theme, name))
            finally:
                made.close()


def styled(screen: Terminal) -> list[str]:
    """Its lines, with their colours."""
    return screen._tmux("capture-pane", "-p", "-e", "-N").rstrip("\n").split("\n")


def drawing(lines: Sequence[str], columns: int, theme: TerminalTheme, name: str) -> str:
    console = Console(
        record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="256"
    )
    for line in lines:
        console.print(Text.from_ansi(line), no_wrap=True, crop=True, highlight=False)
    return console.export_svg(
        title="cmdai-shell", theme=theme, code_format=DRAWING, unique_id=name.replace("-", "")
    )


# --- the browser


async def web() -> None:
    with place() as folder, api_socket(example()) as there:
        there.traces = requests(time.time(), random.Random(3))  # noqa: S311
        process = await asyncio.create_subprocess_exec(
            *(*CLI, "dashboard", "--web", "--interval", "0.1"), stdout=asyncio.subprocess.PIPE
        )
        try:
            assert process.stdout
            url = (await process.stdout.readline()).decode().strip()
            async with browser(folder / "browser") as tab:
                await tab.look(width=1280, height=1240)
                await tab.open(url)
                await tab.until("document.querySelectorAll('#servers tr').length === 4")
                chance = random.Random(7)  # noqa: S311
                for look in range(4 * LOOKS):
                    lived(there, look - 3 * LOOKS, chance)
                    await asyncio.sleep(0.1)
                for scheme in ("light", "dark"):
                    await shot(tab, f"dashboard-web-{scheme}", 1280, 1240, scheme)
                await shot(tab, "", 400, 900, "dark")
        finally:
            process.terminate()
            await process.wait()


async def shot(tab: Tab, name: str, width: int, height: int, scheme: str) -> None:
    """With 256 colours, which is what keeps it small; nameless: only to be looked at."""
    await tab.look(width=width, height=height, scheme=scheme)
    await asyncio.sleep(0.5)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "shot.png")
        file.write_bytes(await tab.picture())
        into = HERE / f"{name}.png" if name else Path(tempfile.gettempdir(), "narrow.png")
        small = "split[a][b];[a]palettegen[p];[b][p]paletteuse=dither=none"
        ffmpeg("-i", file, "-vf", small, "-pix_fmt", "pal8", into)


def ffmpeg(*words: str | Path) -> None:
    command = ["ffmpeg", "-v", "error", "-y", *map(str, words)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


async def topology_() -> None:
    ways = {"gpu.example.com": Route("203.0.113.7", "192.168.1.5")}
    graph = topology.graph(example(), LINKS, urls=URLS, routes=ways)
    (HERE.parent / "topology.svg").write_text(pictures.svg(graph))
    with tempfile.TemporaryDirectory() as name:
        page = Path(name, "topology.html")
        page.write_text(pictures.page(graph, "cmdai-shell, an example"))
        async with browser(Path(name, "browser")) as tab:
            await tab.open(page.as_uri())
            await tab.until("document.querySelector('h2') !== null")
            for scheme in ("light", "dark"):
                await shot(tab, f"topology-{scheme}", 1400, 1000, scheme)


# --- a press


async def press() -> None:
    """A real one: the hook in bash, the daemon, the model on this CPU."""
    from tests.models import model_file, model_store

    chosen = model_file("qwen2.5-coder-1.5b")
    columns, rows = 80, 8
    with place() as folder:
        Path(os.environ["CMDAI_DATA_DIR"], "models").symlink_to(model_store().folder)
        config = f'[embedded]\nmodel = "{chosen.id}"\n'
        Path(os.environ["CMDAI_CONFIG_DIR"], "config.toml").write_text(config)
        project = folder / "project"
        project.mkdir()
        for number, word in enumerate(
            ("notes.md", "photo.jpg", "song.ogg", "film.mkv", "data.csv")
        ):
            (project / word).write_bytes(b"x" * (4**number * 1000))
        rc = folder / "bashrc"
        hook = render("bash", python=sys.executable, relay=find_relay())
        rc.write_text(f"PS1='\\[\\e[32m\\]~/project\\[\\e[0m\\] $ '\n{hook}\n")
        bash = Terminal(
            ["bash", "--rcfile", str(rc), "-i"],
            folder=folder,
            env={**os.environ, "PWD": str(project), "HOME": str(folder)},
            columns=columns,
            rows=rows,
        )
        try:
            await recorded(bash, project, columns, rows)
        finally:
            bash.close()
            Client(start=()).stop()


async def recorded(bash: Terminal, project: Path, columns: int, rows: int) -> None:
    bash.type(f"cd {shlex.quote(str(project))}")
    bash.press("Enter")
    bash.type("count the lines of every csv file")
    bash.press("C-g")  # the model is loaded, and the instructions are read
    bash.wait_screen(r"\$ .*wc", seconds=90)
    bash.press("C-c")
    bash.type("clear")
    bash.press("Enter")
    bash.wait(lambda: bash.screen() == "~/project $", "an empty screen")
    stamped = project.parent / "stamped"
    program = (
        "import sys,time,json\nwhile d:=sys.stdin.buffer.raw.read(65536): "
        "print(json.dumps([time.time(),d.decode(errors='replace')]),flush=True)"
    )
    pipe = shlex.join([sys.executable, "-c", program]) + f" > {shlex.quote(str(stamped))}"
    bash._tmux("pipe-pane", pipe)
    began = time.time()
    frames: list[tuple[float, list[str]]] = []

    async def watch() -> None:
        while True:
            lines = await asyncio.to_thread(shown, bash)
            if not frames or frames[-1][1] != lines:
                frames.append((time.time() - began, lines))
            await asyncio.sleep(0.08)

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch())
        await acted(bash)
        watching.cancel()
    took = time.time() - began
    head = {"version": 2, "width": columns, "height": rows, "title": "cmdai-shell: a press in bash"}
    told = [json.loads(line) for line in stamped.read_text().splitlines()]
    start = "\x1b[H\x1b[2J\x1b[32m~/project\x1b[0m $ "
    events = [[0.0, "o", start], *([round(at - began, 3), "o", text] for at, text in told)]
    lines = [json.dumps(head), *map(json.dumps, events)]
    (HERE / "press.cast").write_text("\n".join(lines) + "\n")
    await animated(frames, took, columns, rows)


def shown(bash: Terminal) -> list[str]:
    """The screen, with a block where the cursor is."""
    column, row = bash.cursor()
    lines = styled(bash)
    lines += [""] * (row + 1 - len(lines))
    text = Text.from_ansi(lines[row])
    text.pad_right(max(0, column + 1 - len(text)))
    text.stylize("reverse", column, column + 1)
    console = Console(file=io.StringIO(), force_terminal=True, color_system="256", width=200)
    with console.capture() as capture:
        console.print(text, end="", highlight=False)
    lines[row] = capture.get()
    return lines


async def acted(bash: Terminal) -> None:
    """What the person does."""
    await asyncio.sleep(0.8)
    for letter in WORDS:
        await asyncio.to_thread(bash.type, letter)
        await asyncio.sleep(0.04)
    await asyncio.sleep(0.7)
    await asyncio.to_thread(bash.press, "C-g")
    await asyncio.to_thread(bash.wait_screen, r"\$ (find|du|ls) .*(head|tail)", 30)
    await asyncio.sleep(2.5)
    for key in ("BSpace", "BSpace", "3"):
        await asyncio.to_thread(bash.press, key)
        await asyncio.sleep(0.3)
    await asyncio.sleep(1.2)
    await asyncio.to_thread(bash.press, "Enter")
    await asyncio.sleep(3)


async def animated(
    frames: list[tuple[float, list[str]]], took: float, columns: int, rows: int
) -> None:
    ends = [at for at, _ in frames[1:]] + [took]
    with tempfile.TemporaryDirectory() as name:
        listed = []
        async with browser(Path(name, "browser")) as tab:
            for number, ((at, lines), end) in enumerate(zip(frames, ends, strict=True)):
                page, picture = Path(name, f"{number}.svg"), Path(name, f"{number}.png")
                full = [*lines, *[""] * (rows - len(lines))]
                page.write_text(drawing(full, columns, DARK, "press"))
                await tab.open(page.as_uri())
                await tab.until("document.readyState === 'complete'")
                size = await tab.tell("document.documentElement.getBoundingClientRect().toJSON()")
                await tab.look(width=int(size["width"]), height=int(size["height"]))
                picture.write_bytes(await tab.picture())
                listed.append(f"file '{picture}'\nduration {max(end - at, 0.02):.3f}\n")
        listed.append(listed[-1].partition("\n")[0] + "\n")
        list_ = Path(name, "frames")
        list_.write_text("".join(listed))
        small = "fps=20,split[a][b];[a]palettegen=max_colors=32[p];[b][p]paletteuse=dither=none"
        ffmpeg(*("-f", "concat", "-safe", "0", "-i", list_, "-vf", small), HERE / "press.gif")


KINDS = {"terminal": terminal, "web": web, "topology": topology_, "press": press}


def main() -> None:
    HERE.mkdir(exist_ok=True)
    for word in sys.argv[1:] or KINDS:
        made = KINDS[word]()
        if made is not None:
            asyncio.run(made)


if __name__ == "__main__":
    main()
