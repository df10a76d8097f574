const element = (selector, root = document) => root.querySelector(selector);
const every = (selector, root = document) => [...root.querySelectorAll(selector)];
const POLL_MILLISECONDS = 2000;
const LOGGED = 100;
const SYSTEMS = [
  { title: "Nimbus OS", path: "nimbus-os", variable: "NIMBUS_OS_SANDBOX_API_KEY", choices: { environment: ["sandbox", "production"] } },
  { title: "NeuroAI", path: "neuroai", variable: "NEUROAI_API_KEY", choices: { role: ["Administrator", "Developer", "Viewer", "API Manager"] } },
  { title: "Nexus", path: "nexus", variable: "NEXUS_API_KEY", choices: {} },
];
const FAULTS = {
  "429, try again in 2 s": { status: 429, headers: { "Retry-After": "2" } },
  "500 internal error": { status: 500 },
  "502 bad gateway": { status: 502 },
  "503 unavailable": { status: 503 },
  "10 s late": { delay: 10 },
  "connection cut before the work": { reset: "before_head" },
  "response lost after the work": { reset: "after_work" },
  "body cut after 20 bytes": { truncate: 20 },
  "20 bytes a second": { drip: 20 },
  "damaged file or digest": { corrupt_digest: true },
  "log-in page of a guest network": { html: true },
  "clock an hour ahead": { date_offset: 3600 },
};
const session = { token: "", shell: "bash", lines: {} };

async function control(method, path, fields) {
  const answer = await fetch(`/_sandbox/${path}`, {
    method,
    headers: { Authorization: `Bearer ${session.token}` },
    body: fields === undefined ? undefined : JSON.stringify(fields),
  });
  const text = await answer.text();
  const body = text ? JSON.parse(text) : {};
  if (answer.status === 401) {
    signIn();
    throw new Error("The sandbox does not accept this control token. It changes at every start.");
  }
  if (!answer.ok) throw new Error(body.error || `The sandbox answered ${answer.status}.`);
  return body;
}

function say(text, isError = false) {
  const message = element("#message");
  message.textContent = text;
  message.classList.toggle("error", isError);
}

/** Run what a person asked for, and say how it ended. */
async function attempt(action, done = "") {
  try {
    await action();
    say(done);
  } catch (error) {
    say(error.message, true);
  }
}

function signIn() {
  session.token = "";
  sessionStorage.removeItem("token");
  element("#content").hidden = true;
  element("#sign-in").hidden = false;
}

function cell(text, className = "") {
  const made = document.createElement("td");
  made.className = className;
  if (text instanceof Node) made.append(text);
  else made.textContent = text ?? "";
  return made;
}

function fill(table, rows, nothing) {
  const width = every("th", table).length;
  const lines = rows.map((cells) => {
    const line = document.createElement("tr");
    line.append(...cells);
    return line;
  });
  if (!lines.length) {
    const line = document.createElement("tr");
    line.append(Object.assign(cell(nothing, "empty"), { colSpan: width }));
    lines.push(line);
  }
  const body = element("tbody", table);
  const focused = body.contains(document.activeElement) ? document.activeElement.dataset.id : undefined;
  body.replaceChildren(...lines);
  if (focused) body.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
}

function button(text, id, onClick, className = "") {
  const made = document.createElement("button");
  Object.assign(made, { type: "button", textContent: text, className });
  made.dataset.id = id;
  made.addEventListener("click", onClick);
  return made;
}

const day = (text) => (text ? text.slice(0, 10) : "never");
const count = (number) => (number === null || number === undefined ? "unlimited" : number.toLocaleString("en"));

function showKeys(keys) {
  fill(element("#keys"), keys.map((key) => [
    cell(key.name || "—"),
    cell(key.key, "key"),
    cell(key.license_type),
    cell(`${count(key.used)} of ${count(key.monthly_limit)}`),
    cell(day(key.expires_at)),
    cell(key.revoked_at ? `revoked ${day(key.revoked_at)}` : "active"),
    cell(key.revoked_at ? "" : button("Revoke", key.fingerprint, () => revoke("", key.fingerprint, key.key), "danger")),
  ]), "There is no key yet.");
}

function showUsage(days) {
  fill(element("#usage"), days.map((row) => [
    cell(row.day), cell(count(row.inference), "number"), cell(count(row.model_load), "number"), cell(count(row.error), "number"),
  ]), "Nothing was reported yet.");
}

function showLog(exchanges) {
  fill(element("#log"), exchanges.slice(-LOGGED).reverse().map((exchange) => [
    cell(exchange.seq, "number"),
    cell(new Date(exchange.received_at * 1000).toLocaleTimeString()),
    cell(exchange.endpoint),
    cell(`${exchange.method} ${exchange.path}`, "path"),
    cell(exchange.status ?? "cut", "number"),
    cell(count(exchange.bytes_sent), "number"),
  ]), "No request so far.");
}

function showFaults(faults) {
  const rows = faults.map((fault) => {
    const row = document.createElement("li");
    const { endpoint, times, ...what } = fault;
    row.textContent = `${endpoint}: ${JSON.stringify(what)}, ${times === null ? "all" : times} request${times === 1 ? "" : "s"}`;
    return row;
  });
  element("#faults").replaceChildren(...rows);
}

function showSwitches(switches) {
  const box = element("#switches");
  for (const [name, value] of Object.entries(switches)) {
    if (typeof value !== "boolean") continue;
    let input = element(`input[name="${name}"]`, box);
    if (!input) {
      const label = document.createElement("label");
      input = Object.assign(document.createElement("input"), { type: "checkbox", name });
      input.addEventListener("change", () => attempt(() => control("POST", "switches", { [name]: input.checked }), `${name} is ${input.checked ? "on" : "off"}.`));
      label.append(input, name.replaceAll("_", " "));
      box.append(label);
    }
    input.checked = value;
  }
}

function showLines() {
  const spell = {
    bash: (name, value) => `export ${name}='${value}'`,
    fish: (name, value) => `set -gx ${name} '${value}'`,
    powershell: (name, value) => `$env:${name} = '${value}'`,
  }[session.shell];
  element("#lines").textContent = Object.entries(session.lines).map(([name, value]) => spell(name, value)).join("\n");
}

async function copy(text, from) {
  try {
    await navigator.clipboard.writeText(text);
    const before = from.textContent;
    from.textContent = "Copied";
    setTimeout(() => { from.textContent = before; }, 1500);
  } catch {
    say("The browser does not allow copying; select the text instead.", true);
  }
}

function showCreated(key, variable) {
  session.lines[variable] = key;
  showLines();
  const dialog = element("#created");
  element("pre", dialog).textContent = key;
  dialog.showModal();
}

function revoke(system, key, shown) {
  const dialog = element("#revoke");
  element("code", dialog).textContent = shown;
  element("input", dialog).value = "";
  dialog.returnValue = "";
  dialog.onclose = () => {
    if (dialog.returnValue !== "revoke") return;
    const reason = element("input", dialog).value || null;
    attempt(async () => {
      await control("POST", `${system}keys/revoke`, system ? { key } : { key, reason });
      await refresh();
    }, `${shown} is revoked.`);
  };
  dialog.showModal();
}

function addSystem(system) {
  const box = document.createElement("section");
  const choices = Object.entries(system.choices).map(([name, values]) =>
    `<label>${name} <select name="${name}">${values.map((value) => `<option>${value}</option>`).join("")}</select></label>`);
  box.innerHTML = `<h3>${system.title}</h3><div class="table"><table><thead><tr><th scope="col">Key</th><th scope="col">May</th>
    <th scope="col">State</th><th scope="col"><span class="hidden">Action</span></th></tr></thead><tbody></tbody></table></div>
    <form>${choices.join("")}<button>Create ${system.title} key</button></form>`;
  system.table = element("table", box);
  element("form", box).addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      const made = await control("POST", `${system.path}/keys`, Object.fromEntries(new FormData(event.target)));
      showCreated(made.key, system.variable);
      await refresh();
    });
  });
  element("#others").append(box);
}

function showSystem(system, keys) {
  fill(system.table, keys.map((key) => {
    const shown = key.key_prefix ? `${key.key_prefix}…` : key.key ?? key.integrationId;
    const id = key.id ?? key.fingerprint;
    return [
      cell(shown, "key"),
      cell([key.environment, key.role, ...(key.permissions ?? [])].filter(Boolean).join(", "), "path"),
      cell(key.revoked_at ? `revoked ${day(key.revoked_at)}` : "active"),
      cell(key.revoked_at || !id ? "" : button("Revoke", id, () => revoke(`${system.path}/`, id, shown), "danger")),
    ];
  }), "There is no key yet.");
}

async function refresh() {
  const [keys, usage, log, faults, switches] = await Promise.all(
    ["keys", "usage", "journal", "faults", "switches"].map((path) => control("GET", path)));
  showKeys(keys.keys);
  showUsage(usage.days);
  showLog(log.exchanges);
  showFaults(faults.faults);
  showSwitches(switches);
  const others = await Promise.all(SYSTEMS.map((system) => control("GET", `${system.path}/keys`)));
  SYSTEMS.forEach((system, index) => showSystem(system, others[index].keys));
}

async function open(token) {
  session.token = token;
  const { environment, endpoints } = await control("GET", "environment");
  sessionStorage.setItem("token", token);
  element("#sign-in").hidden = true;
  element("#content").hidden = false;
  session.lines = { ...environment, ...session.lines };
  showLines();
  element("#new-fault select[name=endpoint]").replaceChildren(...endpoints.map((name) => new Option(name)));
  await refresh();
  say("");
}

async function poll() {
  if (session.token && !document.hidden) {
    try {
      await refresh();
      if (element("#message").textContent.startsWith("The sandbox does not answer")) say("");
    } catch (error) {
      if (error instanceof TypeError) say("The sandbox does not answer. Is it still running?", true);
    }
  }
  setTimeout(poll, POLL_MILLISECONDS);
}

function start() {
  SYSTEMS.forEach(addSystem);
  element("#new-fault select[name=fault]").replaceChildren(...Object.keys(FAULTS).map((name) => new Option(name)));
  element("#sign-in").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(() => open(new FormData(event.target).get("token").trim()));
  });
  element("#new-key").addEventListener("submit", (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(event.target));
    attempt(async () => {
      const wanted = { tier: fields.tier, kind: fields.kind, used: Number(fields.used) };
      if (fields.name) wanted.name = fields.name;
      if (fields.expires_at) wanted.expires_at = new Date(fields.expires_at).toISOString();
      showCreated((await control("POST", "keys", wanted)).key, "NIMBUS_API_KEY");
      await refresh();
    });
  });
  element("#new-fault").addEventListener("submit", (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(event.target));
    attempt(async () => {
      await control("POST", "faults", { ...FAULTS[fields.fault], endpoint: fields.endpoint, times: Number(fields.times) });
      await refresh();
    }, `The next ${fields.times} at ${fields.endpoint}: ${fields.fault}.`);
  });
  element("#clear-faults").addEventListener("click", () => attempt(() => control("DELETE", "faults").then(refresh), "All faults are removed."));
  element("#clear-log").addEventListener("click", () => attempt(() => control("DELETE", "journal").then(refresh), "The log is empty."));
  element("#copy-lines").addEventListener("click", (event) => copy(element("#lines").textContent, event.target));
  element("#created .copy").addEventListener("click", (event) => copy(element("#created pre").textContent, event.target));
  element("#created").addEventListener("close", () => { element("#created pre").textContent = ""; });
  every("[data-shell]").forEach((choice) => choice.addEventListener("click", () => {
    session.shell = choice.dataset.shell;
    every("[data-shell]").forEach((other) => other.setAttribute("aria-pressed", String(other === choice)));
    showLines();
  }));
  // The token is after the #, which a browser sends to no server; it leaves the address bar at once.
  const given = location.hash.slice(1) || sessionStorage.getItem("token");
  history.replaceState(null, "", location.pathname);
  if (given) attempt(() => open(given));
  else signIn();
  setTimeout(poll, POLL_MILLISECONDS);
}

start();
