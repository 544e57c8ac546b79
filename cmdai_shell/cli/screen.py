"""The dashboard as lines of styled pieces for a terminal of a given size. Nothing is read here, and
nothing written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len, set_cell_size

from cmdai_shell.cli.lines import (
    BARS,
    MORE,
    PLAIN_BARS,
    PLAIN_MORE,
    Line,
    cut,
    shares,
    sized,
    spark,
    unfolded,
    window,
    wrapped,
)
from cmdai_shell.cli.status import duration, size
from cmdai_shell.diagnose import reasons
from cmdai_shell.diagnose.known_servers import line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmdai_shell.cli.watched import Watched

WIDE = 120
"""Columns from which on there is room for the model and for reasons."""
SMALLEST = 40, 8
"""Columns and rows; what is smaller is drawn as if it were, and cut."""

STYLES = {
    "title": "bold",
    "head": "reverse",
    "bad": "fg:ansired",
    "warn": "fg:ansiyellow",
    "good": "fg:ansigreen",
    "faint": "fg:ansibrightblack",
    "chosen": "bold",
    "ask": "reverse bold",
}
KEYS = "q quit  r refresh  t test  T trust  d drain  up/down choose  ? help"
HELP = (
    " up, down, j, k  choose a server",
    " t               test the chosen one, as `backends test` does: two small sums",
    " T               trust the chosen one, if it was found and waits for your word",
    " d               drain the chosen one: no new requests; and back again",
    " r               look at the daemon now",
    " q, Ctrl-C       leave",
    " ?               this, and back again",
    "",
    " marks           + well   ~ slow, or loads its model   x does not work",
    "                 - not in use   ? not known yet",
    " breaker         open: left alone for a while; half-open: being tried again",
    " latency         seconds to the first token, and how that went; a blank",
    "                 where it could not be asked",
    " ours            requests of yours that it is answering now",
    " queue           requests that wait at the server, as it says itself",
    " …               there is more: `dashboard --once` cuts nothing",
)
_MARKS = {"ok": ("+", "good"), "slow": ("~", "warn"), "loading": ("~", "warn"), "new": ("?", "")}
_WAITS = ("candidate", "changed", "moved", "refused")
_SHORT = {"unreachable": "no answer", "wrong-answer": "wrong"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A server that can be chosen."""

    name: str
    url: str = ""
    is_found: bool = False
    """And no member: it waits to be trusted, or cannot be."""
    state: str = ""
    is_drained: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the person has done."""

    chosen: str = ""
    question: str = ""
    """That waits for y or n."""
    busy: str = ""
    is_helping: bool = False
    is_plain: bool = False
    """Only ASCII can be shown."""
    is_whole: bool = False
    """All there is, of each server: nobody is there to choose one."""

    @property
    def more(self) -> str:
        return PLAIN_MORE if self.is_plain else MORE


def rows(status: Mapping[str, Any] | None) -> list[Row]:
    """Servers from top to bottom: members, then those found."""
    if not status:
        return []
    found = (status.get("discovery") or {}).get("found") or ()
    urls = {each["name"]: each["url"] for each in found}
    members = [
        Row(
            name=each["id"],
            url=urls.get(each["id"], ""),
            state=each["state"],
            is_drained=each.get("is_drained", False),
        )
        for each in status.get("servers") or ()
    ]
    strangers = [
        Row(name=each["name"], url=each["url"], is_found=True, state=each["state"])
        for each in waiting(status)
    ]
    return members + strangers


def waiting(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Who was found, and is not used."""
    found = (status.get("discovery") or {}).get("found") or ()
    return [each for each in found if each["state"] in _WAITS]


def drawn(watched: Watched, view: View, columns: int, height: int, now: float) -> list[Line]:
    """Exactly ``height`` lines of ``columns`` cells at most."""
    width, tall = max(columns, SMALLEST[0]), max(height, SMALLEST[1])
    head = _header(watched, width, view)
    if watched.problem:
        head.append(_gone(watched, now))
    if view.is_helping:
        body: list[Line] = [[("", text.replace(MORE, view.more))] for text in HELP]
    else:
        body = _body(watched, view, width, tall - len(head) - 1, now)
    room = tall - len(head) - 1
    body = [*body[:room], *([[]] * (room - len(body)))]
    shown = (*(*head, *body)[: height - 1], _footer(view, width))
    return [cut(each, columns, view.more) for each in shown]


# --- top and bottom


def summary(status: Mapping[str, Any] | None) -> list[str]:
    """The daemon, and the environment in use."""
    if status is None:
        return ["cmdai-shell"]
    parts = [
        f"cmdai-shell {line(status.get('version', ''), 20)}",
        f"process {status.get('pid')}",
        f"up {duration(status.get('uptime_s') or 0)}",
        size(status.get("rss_bytes")),
        f"{status.get('in_flight', 0)} in flight",
    ]
    environment = status.get("environment") or {}
    if environment.get("configured"):
        active = environment.get("active") or "no environment"
        parts.append(line(f"{active}: {environment.get('reason', '')}"))
    return parts


def _header(watched: Watched, width: int, view: View) -> list[Line]:
    """What matters least is left out where there is no room."""
    parts = summary(watched.status)
    if view.is_whole:
        return wrapped([("head", f" {' | '.join(parts)}")], width)
    for least in (1, 2, 1):  # the process, its memory, its age
        if cell_len(" | ".join(parts)) + 1 > width and len(parts) > least:
            del parts[least]
    return [[("head", sized(f" {' | '.join(parts)}", width, view.more))]]


def _gone(watched: Watched, now: float) -> Line:
    since = f"; below: {duration(now - watched.seen_at)} ago" if watched.status is not None else ""
    hint = f" ({watched.hint})" if watched.hint else ""
    return [("bad", f" {watched.problem}{since}{hint}")]


def _footer(view: View, width: int) -> Line:
    if view.question:
        return [("ask", sized(f" y/n  {line(view.question)}", width, view.more))]
    text = f" {view.busy} ...  {KEYS}" if view.busy else f" {KEYS}"
    return [("head", sized(text, width, view.more))]


# --- between


def _body(watched: Watched, view: View, width: int, room: int, now: float) -> list[Line]:
    status = watched.status or {}
    sections = [
        (_titles(width), _members(watched, view, width), 4),
        (" found, not used", _found(status, view), 2),
        (" last requests", _requests(status), 2),
        (EVENTS, _events(watched, now), 2),
        (" discovery", _discovery(status), 1),
    ]
    always = (_titles(width), EVENTS)
    sections = [section for section in sections if section[1] or section[0] in always]
    while True:
        wanted = [(len(lines) or 1, least) for _, lines, least in sections]
        given = shares(wanted, room - len(sections))
        if all(given):
            break
        sections.pop()  # and its title leaves a line to the others
    made = [
        [[("title", title)], *window(lines or [[("faint", "   none")]], count)]
        for (title, lines, _), count in zip(sections, given, strict=True)
    ]
    found = [each for lines in made for each in lines]
    return unfolded(found, width, room - len(found))


EVENTS = " events"


def _spare(width: int) -> int:
    """What the fixed columns leave, and in wide terminals a model's name."""
    return width - 45 - (40 if width >= WIDE else 0)


def _name_width(width: int) -> int:
    return max(14, min(44, _spare(width) * 3 // 5))


def _spark_width(width: int) -> int:
    """None at all where they would not tell anything."""
    room = min(60, _spare(width) - _name_width(width))
    return room if room >= 6 else 0


def _titles(width: int) -> str:
    name, bars = _name_width(width), _spark_width(width)
    more = "  why, and model" if width >= WIDE else ""
    return (
        f" {'servers':<{name + 3}} {'state':<10} {'breaker':<9} {'latency':>7} {'':<{bars}} "
        f"{'ours':>4} {'queue':>5}{more}"
    )


def _members(watched: Watched, view: View, width: int) -> list[Line]:
    status = watched.status or {}
    members = status.get("servers") or ()
    bars = _spark_width(width)
    kept = {each["id"]: watched.latencies(each["id"], bars) for each in members}
    top = max((value for values in kept.values() for value in values), default=0.0)
    found: list[Line] = []
    for each in members:
        found.append(_member(each, kept[each["id"]], top, view, width))
        is_whole = view.is_whole or each["id"] == view.chosen
        if is_whole and width < WIDE and (about := _about(each, width)):
            found += wrapped([("faint", f"    {about}")], width, 4)
    if here := _here(status, width):
        found.append(here)
    return found


def _member(
    member: Mapping[str, Any], kept: list[float], top: float, view: View, width: int
) -> Line:
    mark, style = _MARKS.get(member["state"], ("x", "bad"))
    is_drained = member.get("is_drained", False)
    if member.get("breaker", "closed") != "closed":
        mark, style = "x", "bad"
    elif is_drained or not member.get("is_active", True):
        mark, style = "-", "faint"
    is_chosen = member["id"] == view.chosen
    waiting = (member.get("load") or {}).get("waiting")
    state = _SHORT.get(member["state"], member["state"])
    if is_drained:
        state = reasons.drained(member).partition(":")[0]
    bars = spark(kept, _spark_width(width), top, PLAIN_BARS if view.is_plain else BARS)
    name = sized(line(member["id"]), _name_width(width), view.more)
    flying = f"{member.get('in_flight', 0):>4}"
    queue = "" if waiting is None else str(waiting)
    return [
        ("chosen" if is_chosen else "", "> " if is_chosen else "  "),
        (style, f"{mark} "),
        ("chosen" if is_chosen else "", f"{name} "),
        (style, f"{set_cell_size(line(state), 10)} {line(member.get('breaker', ''), 9):<9} "),
        ("", f"{reasons.latency(member):>7} {bars} {flying} {queue:>5}"),
        ("faint", f"  {_about(member, width)}" if width >= WIDE else ""),
    ]


def _about(member: Mapping[str, Any], width: int) -> str:
    """Why, and its model; and all of a name that its column has no room for."""
    is_cut = cell_len(member["id"]) > _name_width(width)
    parts = (member["id"] if is_cut else "", member.get("why", ""), member.get("model", ""))
    return ", ".join(map(line, filter(None, parts)))


def _here(status: Mapping[str, Any], width: int) -> Line | None:
    model = status.get("model") or {}
    state = str(model.get("state", "none"))
    if state == "none":
        return None
    mark, style = ("+", "good") if state == "ready" else ("-", "faint")
    if model.get("last_error"):
        mark, style = "x", "bad"
    name = set_cell_size(reasons.HERE, _name_width(width))
    more = ", ".join(filter(None, map(str, (model.get("id"), model.get("last_error")))))
    return [
        ("", "  "),
        (style, f"{mark} "),
        ("", f"{name} "),
        (style, f"{set_cell_size(line(state), 10)} "),
        ("faint", line(more)),
    ]


def _found(status: Mapping[str, Any], view: View) -> list[Line]:
    lines: list[Line] = []
    for each in waiting(status):
        is_chosen = each["name"] == view.chosen
        what = each.get("story") or "T trusts it"
        sources = ", ".join(each.get("sources") or ())
        style = "warn" if each["state"] == "candidate" else "bad"
        lines.append(
            [
                ("chosen" if is_chosen else "", "> " if is_chosen else "  "),
                (style, f"{'-' if each['state'] == 'candidate' else 'x'} "),
                ("chosen" if is_chosen else "", f"{line(each['name'], 44)}  "),
                ("", f"{line(each['url'], 120)}  "),
                (style, f"{each['state']}  "),
                ("faint", line(f"by {sources}: {what}" if sources else what)),
            ]
        )
    return lines


def _requests(status: Mapping[str, Any]) -> list[Line]:
    """What the last one came to, then whom each was sent to, the newest first."""
    found = [_request(each) for each in reversed(status.get("decisions") or ())]
    if last := status.get("last_request"):
        by = f" by {reasons.who(last['backend'])}" if last.get("backend") else ""
        ending = ", ".join(filter(None, (last.get("outcome"), last.get("risk"))))
        text = f"{last.get('op')} from {last.get('shell')}{by}: {ending}"
        took = (last.get("elapsed_ms") or 0) / 1000
        found.insert(
            0,
            [
                ("faint", f"   {'the last':>12} "),
                ("", f"{reasons.seconds(took):>16}  {line(text)}"),
            ],
        )
    return found


def _request(decision: Mapping[str, Any]) -> Line:
    by = decision.get("answered_by") or ""
    ago = duration(decision.get("ago_s") or 0)
    way = "; ".join(map(_asked, reasons.asked(decision)))
    return [
        ("faint", f"   {ago:>8} ago "),
        ("good" if by else "bad", f"{'answered' if by else 'failed':<8} "),
        ("", f"{reasons.seconds(decision.get('elapsed') or 0):>7}  "),
        ("", way or "nobody was asked"),
        ("warn", "  (no server was well)" if decision.get("is_panic") else ""),
    ]


def _asked(tried: Mapping[str, Any]) -> str:
    detail = f" ({tried['detail']})" if tried.get("detail") else ""
    took = reasons.seconds(tried["elapsed"])
    return line(f"{reasons.who(tried['id'])} {tried['outcome']} {took}{detail}")


def _events(watched: Watched, now: float) -> list[Line]:
    """The newest first."""
    return [
        [("faint", f"   {duration(max(0.0, now - each.at)):>8} ago "), ("", each.text)]
        for each in reversed(watched.events)
    ]


def _discovery(status: Mapping[str, Any]) -> list[Line]:
    lines: list[Line] = []
    for each in (status.get("discovery") or {}).get("sources") or ():
        is_well = each["state"] == "listening"
        hint = f" ({each['hint']})" if each.get("hint") else ""
        more = f"{each['known']} known" if is_well else f"{each['problem']}{hint}"
        style = "good" if is_well else "bad" if each["state"] == "failed" else "warn"
        lines.append(
            [
                ("", f"   {line(each['name'], 30)} "),
                (style, line(each["state"])),
                ("", f" {line(more)}"),
            ]
        )
    return lines
