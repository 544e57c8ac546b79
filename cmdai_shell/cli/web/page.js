"use strict";
// What servers call themselves is anybody's text: it only ever becomes textContent (the policy of
// the page, require-trusted-types-for, has the browser refuse everything else).

const AGAIN_MS = 2000;
const BARS = 30;
const MARKS = { well: "●", ailing: "▲", down: "✕", unused: "○", unknown: "?" };
const KINDS = [
  ["server", "by a server"], ["cpu", "by the model on this CPU"],
  ["own", "without a model"], ["none", "no answer"],
];

const $ = (id) => document.getElementById(id);
let shown = null;

// --- the way to the server

if (location.hash.length > 1) {
  sessionStorage.setItem("token", location.hash.slice(1));
  history.replaceState(null, "", location.pathname); // not left in the address bar
}
addEventListener("hashchange", () => location.reload());

async function ask(path, body) {
  const headers = { Authorization: `Bearer ${sessionStorage.getItem("token") ?? ""}` };
  const method = body ? "POST" : "GET";
  return fetch(path, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
}

async function follow() {
  for (let number = -1; ;) {
    let problem = "the dashboard has ended: start it anew with cmdai-shell dashboard --web";
    try {
      const answer = await ask(`state?after=${number}`);
      if (answer.ok) {
        shown = await answer.json();
        number = shown.number;
        draw();
        continue;
      }
      problem = await answer.text();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // of fetch: nobody answers
    }
    tell(problem, true);
    number = -1;
    await new Promise((done) => setTimeout(done, AGAIN_MS));
  }
}

async function wish(what) {
  const answer = await ask("do", what).catch(() => null);
  if (answer && !answer.ok) tell(await answer.text(), true);
}

// --- texts and tables

function tell(text, isBad) {
  put($("problem"), text);
  $("problem").classList.toggle("bad", isBad);
}

function put(element, text) {
  const wanted = String(text ?? "");
  if (element.textContent !== wanted) element.textContent = wanted;
}

function made(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

// An element for each of the values, kept for as long as its key is there: what has the focus, or
// is being read out, is not taken away.
const kept = new WeakMap();

function sync(parent, values, key, make, fill) {
  const old = kept.get(parent) ?? new Map();
  const now = new Map();
  for (const value of values) {
    const name = key(value);
    const element = old.get(name) ?? make(value);
    old.delete(name);
    now.set(name, element);
    fill(element, value);
  }
  for (const element of old.values()) element.remove();
  let place = parent.firstElementChild;
  for (const element of now.values()) {
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  kept.set(parent, now);
}

function row(classes) {
  const element = made("tr");
  classes.forEach((name, index) => {
    const cell = made(index ? "td" : "th", name);
    if (!index) cell.scope = "row";
    element.append(cell);
  });
  return element;
}

function clock(at, withDay = shown.now - at > 43200) {
  const day = withDay ? { month: "short", day: "numeric" } : {};
  const time = { hour: "2-digit", minute: "2-digit", ...(withDay ? {} : { second: "2-digit" }) };
  return new Date(at * 1000).toLocaleString("en-GB", { ...day, ...time });
}

function seconds(ms) {
  return ms < 1000 ? `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

// --- servers

function server() {
  const element = row(["long", "long", "nowrap", "number", "", "number", "number", "nowrap"]);
  const [name, state, , , looks, , , actions] = element.children;
  name.append(made("span"), made("br"), made("span", "faint"));
  state.append(made("span", "health"), made("span"));
  looks.append(svg("svg", { class: "spark", role: "img" }));
  const test = made("button", "", "Test");
  const drain = made("button");
  test.onclick = () => wish({ do: "test", name: element.value.name });
  drain.onclick = () => {
    wish({ do: element.value.is_drained ? "undrain" : "drain", name: element.value.name });
  };
  actions.append(test, " ", drain);
  return element;
}

function fillServer(element, value, top) {
  const [name, state, breaker, latency, looks, ours, queue, actions] = element.children;
  element.value = value;
  put(name.firstChild, value.name);
  put(name.lastChild, value.about);
  state.firstChild.className = `health ${value.health}`;
  put(state.firstChild, `${MARKS[value.health]} `);
  put(state.lastChild, value.state);
  put(breaker, value.breaker);
  put(latency, value.latency);
  put(ours, value.ours);
  put(queue, value.queue);
  spark(looks.firstChild, value, top);
  for (const button of actions.querySelectorAll("button")) {
    button.hidden = !value.can.length;
    button.disabled = Boolean(shown.busy);
  }
  const drain = actions.lastElementChild;
  put(drain, value.is_drained ? "Take back" : "Drain");
  drain.title = value.is_drained ? "It gets requests again" : "No new request goes to it";
}

function stranger() {
  const element = row(["long", "long", "", "long", "nowrap"]);
  element.children[3].append(made("span", "health"), made("span", "faint"));
  const trust = made("button", "", "Trust");
  trust.onclick = () => confirmTrust(element.value);
  element.children[4].append(trust);
  return element;
}

function fillStranger(element, value) {
  const [name, address, sources, state, actions] = element.children;
  element.value = value;
  put(name, value.name);
  put(address, value.url);
  put(sources, value.sources);
  state.firstChild.className = `health ${value.can_trust ? "unknown" : "down"}`;
  put(state.firstChild, `${value.can_trust ? "○" : "✕"} ${value.state} `);
  put(state.lastChild, value.why);
  actions.firstChild.hidden = !value.can_trust;
  actions.firstChild.disabled = Boolean(shown.busy);
}

function confirmTrust(value) {
  const dialog = $("ask");
  const { name, url } = value; // what is shown is what is agreed to
  put($("ask-name"), name);
  put($("ask-url"), url);
  dialog.returnValue = "";
  dialog.onclose = () => dialog.returnValue === "yes" && wish({ do: "trust", name, url });
  dialog.showModal();
}

// --- charts

function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function label(x, y, text, anchor = "start") {
  return svg("text", { x, y, "text-anchor": anchor }, text);
}

function spark(element, value, top) {
  const width = 144, height = 20, step = width / 239;
  const values = value.kept;
  const points = values.map((ms, index) => [width - (values.length - 1 - index) * step, ms]);
  let path = "", isDown = false;
  for (const [x, ms] of points) {
    if (ms) path += `${isDown ? "L" : "M"}${x.toFixed(1)} ${(height - 1 - (ms / top) * (height - 3)).toFixed(1)}h.01`;
    isDown = Boolean(ms);
  }
  const seen = values.filter(Boolean);
  const range = seen.length ? `${seconds(Math.min(...seen))} to ${seconds(Math.max(...seen))}` : "";
  element.setAttribute("viewBox", `0 0 ${width} ${height}`);
  element.setAttribute("preserveAspectRatio", "none");
  element.setAttribute("aria-label", range || "not measured");
  element.replaceChildren(svg("title", {}, range || "not measured"), svg("path", { d: path }));
  element.classList.toggle("empty", !seen.length);
}

function dot(kind, x, y, size = 4) {
  const shapes = {
    server: () => svg("circle", { cx: x, cy: y, r: size }),
    cpu: () => svg("rect", { x: x - size, y: y - size, width: 2 * size, height: 2 * size }),
    own: () => svg("path", { d: `M${x} ${y - size - 1}l${size + 1} ${size + 1}l${-size - 1} ${size + 1}l${-size - 1} ${-size - 1}z` }),
    none: () => svg("path", { d: `M${x - size} ${y - size}l${2 * size} ${2 * size}m0 ${-2 * size}l${-2 * size} ${2 * size}` }),
  };
  const element = shapes[kind]();
  element.setAttribute("class", kind);
  return element;
}

// Left, top, right and bottom of what is drawn in, with the times written below it.
function frame(element, from, to) {
  const { width, height } = element.getBoundingClientRect();
  const box = { left: 52, top: 10, right: Math.max(width, 200) - 12, bottom: Math.max(height, 80) - 20 };
  element.setAttribute("viewBox", `0 0 ${Math.max(width, 200)} ${Math.max(height, 80)}`);
  element.replaceChildren(
    label(box.left, box.bottom + 15, clock(from)),
    label((box.left + box.right) / 2, box.bottom + 15, clock((from + to) / 2), "middle"),
    label(box.right, box.bottom + 15, "now", "end"),
  );
  return box;
}

function level(element, box, y, text) {
  element.append(
    svg("line", { class: "grid", x1: box.left, x2: box.right, y1: y, y2: y }),
    label(box.left - 6, y + 4, text, "end"),
  );
}

function drawCounts(element, requests, from, to) {
  const box = frame(element, from, to);
  const bars = Array.from({ length: BARS }, () => new Map(KINDS.map(([kind]) => [kind, 0])));
  for (const { at, kind } of requests) {
    const bar = bars[Math.min(Math.floor(((at - from) / (to - from)) * BARS), BARS - 1)];
    bar.set(kind, bar.get(kind) + 1);
  }
  const most = Math.max(...bars.map((bar) => [...bar.values()].reduce((a, b) => a + b)));
  const step = [1, 2, 5, 10, 20, 50, 100].find((each) => most <= each * 4) ?? 200;
  const top = Math.max(Math.ceil(most / step), 1) * step;
  const y = (count) => box.bottom - (count / top) * (box.bottom - box.top);
  for (let count = 0; count <= top; count += step) level(element, box, y(count), String(count));
  const width = (box.right - box.left) / BARS;
  bars.forEach((bar, index) => {
    let below = 0;
    for (const [kind, words] of KINDS) {
      const count = bar.get(kind);
      if (!count) continue;
      const x = box.left + index * width + 1;
      const height = y(below) - y(below + count);
      element.append(svg(
        "rect", { class: kind, x, y: y(below + count), width: Math.max(width - 2, 1), height },
        svg("title", {}, `${count} ${words}`),
      ));
      below += count;
    }
  });
  const of = KINDS.map(([kind, words]) => [requests.filter((each) => each.kind === kind).length, words]);
  const told = of.filter(([count]) => count).map(([count, words]) => `${count} ${words}`);
  element.setAttribute("aria-label", `${requests.length} requests: ${told.join(", ") || "none"}`);
}

function drawTimes(element, requests, from, to) {
  const box = frame(element, from, to);
  const lows = requests.map((each) => Math.log10(Math.max(each.took_ms, 0.1)));
  const low = Math.min(1, ...lows.map(Math.floor)), high = Math.max(4, ...lows.map(Math.ceil));
  const y = (log) => box.bottom - ((log - low) / (high - low)) * (box.bottom - box.top);
  for (let log = low; log <= high; log += 1) {
    level(element, box, y(log), log < 3 ? `${10 ** log} ms` : `${10 ** (log - 3)} s`);
  }
  requests.forEach((each, index) => {
    const x = box.left + ((each.at - from) / (to - from)) * (box.right - box.left);
    const mark = dot(each.kind, Number(x.toFixed(1)), Number(y(lows[index]).toFixed(1)));
    const by = each.by ? ` by ${each.by}` : "";
    mark.append(svg("title", {}, `${clock(each.at)}: ${seconds(each.took_ms)}${by}, ${each.outcome}`));
    element.append(mark);
  });
  const sorted = requests.map((each) => each.took_ms).sort((a, b) => a - b);
  const median = sorted.length ? `half of them within ${seconds(sorted[sorted.length >> 1])}` : "none";
  element.setAttribute("aria-label", `${requests.length} requests: ${median}`);
}

// --- everything

function draw() {
  const lately = shown.seen_at === null ? "" : `; below: as of ${clock(shown.seen_at)}`;
  if (shown.problem) tell(`${shown.problem}${lately}${shown.hint ? ` (${shown.hint})` : ""}`, true);
  else tell(shown.busy ? `${shown.busy} …` : "", false);
  const [, ...facts] = shown.daemon;
  put(document.querySelector("h1"), shown.daemon[0]);
  sync($("daemon"), facts.entries(), ([at]) => at, () => made("li"), (item, [, text]) => put(item, text));

  const top = Math.max(1, ...shown.servers.flatMap((each) => each.kept));
  listed($("servers"), 8, "no server is configured", shown.servers, (each) => each.name, server,
    (element, value) => fillServer(element, value, top));
  $("found-section").hidden = !shown.found.length;
  sync($("found"), shown.found, (each) => each.name, stranger, fillStranger);
  drawCharts();

  listed($("requests"), 6, "none yet", shown.requests.slice(-12).reverse(),
    (each) => each.id, () => row(["nowrap", "nowrap", "number", "", "nowrap", "long"]), fillRequest);
  listed($("events"), 0, "none yet", shown.events.slice(-50).reverse(),
    (each) => each.number, event, () => {});
  listed($("sources"), 0, "nobody is looked for", shown.sources, (each) => each.name, source, fillSource);
}

function drawCharts() {
  const to = shown.now, from = to - Number($("window").value);
  const requests = shown.requests.filter((each) => each.at >= from);
  drawCounts($("counts"), requests, from, to);
  drawTimes($("times"), requests, from, to);
}

// With a line that says so where there is nothing.
function listed(parent, columns, nothing, values, key, make, fill) {
  const all = [...values];
  sync(parent, all.length ? all : [null], (each) => (each === null ? null : key(each)),
    (each) => (each === null ? absent(columns, nothing) : make(each)),
    (element, each) => each !== null && fill(element, each));
}

function absent(columns, text) {
  if (!columns) return made("li", "empty", text);
  const element = made("tr");
  const cell = made("td", "empty", text);
  cell.colSpan = columns;
  element.append(cell);
  return element;
}

function fillRequest(element, value) {
  const [when, what, took, by, outcome, way] = element.children;
  put(when, clock(value.at));
  put(what, `${value.op} in ${value.shell}`);
  put(took, seconds(value.took_ms));
  put(by, value.by || (value.kind === "own" ? "no model" : "nobody"));
  by.className = value.kind === "none" ? "long down" : "long";
  put(outcome, value.risk ? `${value.outcome}, ${value.risk}` : value.outcome);
  put(way, value.way);
}

function event(value) {
  const item = made("li");
  item.append(made("time", "", clock(value.at)), value.text);
  return item;
}

function source() {
  const item = made("li");
  item.append(made("span"), " ", made("span", "health"), " ", made("span", "faint"));
  return item;
}

function fillSource(item, value) {
  const [name, state, more] = item.children;
  put(name, value.name);
  state.className = `health ${value.is_well ? "well" : "down"}`;
  put(state, value.state);
  const hint = value.hint ? ` (${value.hint})` : "";
  put(more, value.is_well ? `${value.known} known` : `${value.problem}${hint}`);
}

sync($("legend"), KINDS, ([kind]) => kind, ([kind, words]) => {
  const item = made("li");
  item.append(svg("svg", { viewBox: "-6 -6 12 12", "aria-hidden": "true" }, dot(kind, 0, 0)), words);
  return item;
}, () => {});
$("window").onchange = () => shown && drawCharts();
new ResizeObserver(() => shown && drawCharts()).observe($("times"));
follow();
