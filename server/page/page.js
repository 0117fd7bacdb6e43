// The page at /ui: an editor, and what the server says of its code. It uses nothing but what /openapi.json describes.

const folder = "/work"; // of the code; what it leaves there is shown
const most = 40; // files that are shown
const byID = (id) => document.getElementById(id);
const code = byID("code"), output = byID("output"), files = byID("files"), status = byID("status");

const examples = {
  "Hello": `import sys

print("hello from Python", sys.version.split()[0])
`,
  "A picture": `# What is written to the working directory is shown beside the output.
import struct, zlib

width, height = 320, 200

def shade(x, y):
    c = complex(3.2 * x / width - 2.2, 2 * (y / height - .5) * 1.15)
    z = 0
    for step in range(32):
        if abs(z) > 2:
            return bytes((min(255, 40 + step * 10), step * 5, 60 + step * 3))
        z = z * z + c
    return b"\\x12\\x14\\x18"

rows = b"".join(b"\\0" + b"".join(shade(x, y) for x in range(width)) for y in range(height))

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
with open("mandelbrot.png", "wb") as png:
    png.write(b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
print(png.name, width, "×", height)
`,
  "A stream": `# Output arrives while it is written. Stop ends the program.
import time

for n in range(1, 11):
    print("tick", n)
    time.sleep(.5)
`,
  "Standard input": `import sys

words = sys.stdin.read().split()
print(len(words), "words, the longest is", max(words, key=len, default="none"))
`,
  "No way out": `# Nothing of the machine is in the box.
import os

print(os.listdir("/"))
print(os.environ)
import socket
socket.create_connection(("127.0.0.1", 80))
`,
};

// ---- asking the server

class Problem extends Error {
  constructor(problem) {
    super(problem.detail);
    this.code = problem.code;
  }
}

// ask makes a request, and turns problems (RFC 9457) into errors.
async function ask(method, path, body, signal) {
  const headers = {};
  const token = byID("token").value.trim();
  if (token) headers.Authorization = "Bearer " + token;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal });
  if (answer.status === 401) byID("access").hidden = false;
  if (!answer.ok) {
    const text = await answer.text();
    throw new Problem(answer.headers.get("Content-Type") === "application/problem+json" ? JSON.parse(text) : { detail: text });
  }
  return answer;
}

const asked = async (...request) => (await ask(...request)).json();

// events reads server-sent events (HTML Standard, 9.2.6); each of boxer's has a name and one line of JSON.
async function* events(answer) {
  const parts = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await parts.read();
    if (done) return;
    const blocks = (text + value).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const event = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s)));
      if (event.event) yield { name: event.event, data: JSON.parse(event.data) };
    }
  }
}

// bytes are those of a Content: text, or base64.
function bytes({ content, encoding }) {
  if (encoding !== "base64") return new TextEncoder().encode(content);
  return Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
}

// ---- showing what it says

function show(kind, text) {
  if (!text) return;
  const down = output.scrollHeight - output.scrollTop - output.clientHeight < 40;
  const last = output.lastElementChild;
  if (last?.className === kind && kind.startsWith("std")) last.append(text);
  else {
    const element = document.createElement(kind.startsWith("std") ? "span" : "div");
    element.className = kind;
    element.append(text);
    output.append(element);
  }
  if (down) output.scrollTop = output.scrollHeight;
}

function say(kind, outcome, timing = "") {
  status.className = kind;
  byID("outcome").textContent = outcome;
  byID("timing").textContent = timing;
}

const time = (ms) => (ms < 1000 ? ms.toPrecision(ms < 10 ? 2 : 3) + " ms" : (ms / 1000).toFixed(2) + " s");
const size = (n) => (n < 1000 ? n + " B" : n < 1e6 ? (n / 1e3).toFixed(1) + " kB" : (n / 1e6).toFixed(1) + " MB");

const images = { png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif", webp: "image/webp", svg: "image/svg+xml", bmp: "image/bmp" };

// showFiles offers files for download, and shows pictures. A picture cannot run scripts, and the page's policy lets none in.
function showFiles(list) {
  for (const link of files.querySelectorAll("a")) URL.revokeObjectURL(link.href);
  files.replaceChildren(...list.map(({ path, data }) => {
    const name = path.replace(folder + "/", ""), picture = images[name.split(".").pop().toLowerCase()];
    const url = URL.createObjectURL(new Blob([data], { type: picture ?? "application/octet-stream" }));
    const figure = document.createElement("figure"), link = document.createElement("a"), length = document.createElement("small");
    Object.assign(link, { href: url, download: name.split("/").pop(), textContent: name });
    length.textContent = " " + size(data.length);
    if (picture) figure.append(Object.assign(new Image(), { src: url, alt: name }));
    figure.append(link, length);
    return figure;
  }));
  files.hidden = list.length === 0;
}

// ---- running

let session = null; // its id, if there is one
let stopping = null; // how to stop what runs
const sessionMode = () => document.querySelector("#mode :checked").value === "session";

async function fresh(signal) {
  output.replaceChildren();
  const id = Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
  stopping = () => ask("DELETE", "/v1/runs/" + id);
  return ask("POST", "/v1/runs", {
    id, box: byID("box").value || undefined, code: code.value, stdin: byID("stdin").value, workdir: folder, outputs: [folder + "/**"], stream: true,
  }, signal);
}

async function inSession(signal) {
  session ??= (await asked("POST", "/v1/sessions", { box: byID("box").value || undefined, workdir: folder }, signal)).id;
  show("cell", code.value.trimEnd());
  stopping = () => ask("POST", `/v1/sessions/${session}/interrupt`);
  return ask("POST", `/v1/sessions/${session}/execute`, { code: code.value, stdin: byID("stdin").value, stream: true }, signal);
}

// sessionFiles are what a session has in its folder, deep down, too.
async function sessionFiles() {
  const found = [], folders = [folder];
  while (folders.length && found.length < most) {
    const at = folders.shift(), url = (path) => `/v1/sessions/${session}/files` + path.split("/").map(encodeURIComponent).join("/");
    for (const entry of (await asked("GET", url(at))).entries) {
      const path = at + "/" + entry.name;
      if (entry.type === "directory") folders.push(path);
      else if (entry.type === "file" && entry.size < 8e6 && found.length < most)
        found.push({ path, data: new Uint8Array(await (await ask("GET", url(path))).arrayBuffer()) });
    }
  }
  return found;
}

async function finish(result, began, kept) {
  const e = result.exception;
  show("stderr", e?.traceback);
  show("value", result.repr);
  if (result.outcome !== "exit") show("failed", result.message);
  show("said", result.hint);
  if (result.ended && kept) {
    session = null;
    show("said", "The session has ended; the next run begins another.");
  }
  const took = performance.now() - began, inside = result.stats?.run_ms ?? result.elapsed_ms;
  const words = result.outcome === "ok" ? "ok" : e ? e.type : `${result.outcome}, status ${result.exit_status}`;
  say(result.outcome === "ok" ? "ok" : "bad", words, `${time(inside)} in the box · ${time(took)} in all`);
  const list = kept ? (session ? await sessionFiles() : []) : (result.files ?? []).slice(0, most).map((f) => ({ path: f.path, data: bytes(f) }));
  showFiles(list);
}

async function run() {
  if (stopping) return;
  const leave = new AbortController(), began = performance.now(), kept = sessionMode();
  stopping = () => leave.abort();
  byID("run").disabled = true;
  byID("stop").disabled = false;
  say("busy", "Running …");
  try {
    const answer = await (kept ? inSession : fresh)(leave.signal);
    for await (const { name, data } of events(answer)) {
      if (name === "result") await finish(data, began, kept);
      else if (name === "problem") throw new Problem(data);
      else show(name, new TextDecoder().decode(bytes(data)));
    }
    if (status.className === "busy") throw new Error("the connection was lost");
  } catch (error) {
    if (error.code === "no_such_session" || error.code === "session_ended") session = null;
    say("bad", error.name === "AbortError" ? "stopped" : error.message);
  }
  stopping = null;
  byID("run").disabled = false;
  byID("stop").disabled = true;
}

async function stop() {
  try {
    await stopping?.();
  } catch (error) {
    if (error.code !== "no_such_run" && error.code !== "not_busy") say("busy", error.message);
  }
}

// close forgets a session, and lets the server do so.
function close() {
  const id = session;
  session = null;
  output.replaceChildren();
  showFiles([]);
  say("", sessionMode() ? "The next run begins a session." : "Nothing has run yet.");
  if (id) ask("DELETE", "/v1/sessions/" + id).catch(() => {});
}

// ---- editing

// type puts text in place of the selection, so that the editor can undo it.
function type(text) {
  if (!document.execCommand("insertText", false, text)) code.setRangeText(text, code.selectionStart, code.selectionEnd, "end");
}

// shift indents the selected lines, or takes the indent back.
function shift(back) {
  const start = code.value.lastIndexOf("\n", code.selectionStart - 1) + 1, end = code.selectionEnd;
  const lines = code.value.slice(start, end);
  if (!back && code.selectionStart === end) return type("    ");
  const moved = back ? lines.replace(/^ {1,4}/gm, "") : lines.replace(/^(?=.)/gm, "    ");
  code.setSelectionRange(start, end);
  if (moved !== lines) type(moved);
  code.setSelectionRange(start, start + moved.length);
}

let leaving = false; // Escape lets the next Tab leave the editor
code.addEventListener("keydown", (event) => {
  if (event.key === "Tab" && !leaving) {
    event.preventDefault();
    shift(event.shiftKey);
  } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey && !event.isComposing) {
    const line = code.value.slice(0, code.selectionStart).split("\n").pop();
    event.preventDefault();
    type("\n" + line.match(/^ */)[0] + (line.trimEnd().endsWith(":") ? "    " : ""));
  }
  if (event.key !== "Shift") leaving = event.key === "Escape";
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  run();
});

// ---- beginning

// boxes fills the list; the server's default comes first. Without a token it finds out that one is needed.
async function boxes() {
  const names = (await asked("GET", "/v1/boxes")).boxes.map((box) => box.name);
  byID("box").replaceChildren(new Option("default", ""), ...names.map((name) => new Option(name, name)));
}

byID("run").onclick = run;
byID("stop").onclick = stop;
byID("mode").onchange = close;
byID("box").onchange = close;
byID("access").onsubmit = (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", byID("token").value);
  boxes().then(() => say("", "The token is right."), (error) => say("bad", error.message));
};
byID("token").value = sessionStorage.getItem("token") ?? "";
byID("example").append(...Object.keys(examples).map((name) => new Option(name)));
byID("example").onchange = (event) => {
  code.value = examples[event.target.value];
  byID("stdin").value = event.target.value === "Standard input" ? "the quick brown fox\n" : "";
};
code.value = sessionStorage.getItem("code") ?? examples["Hello"];
addEventListener("pagehide", () => sessionStorage.setItem("code", code.value));
boxes().catch((error) => say("bad", error.message));
code.focus();
