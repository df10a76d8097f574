const METHODS = ["get", "post", "put", "patch", "delete"];
const SHOWN_BYTES = 20000;

function make(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  Object.assign(made, properties);
  made.append(...children);
  return made;
}

const resolve = (specification, part) =>
  part?.$ref ? part.$ref.slice(2).split("/").reduce((found, name) => found[name], specification) : part;

function field(label, input) {
  return make("label", { textContent: label }, input);
}

/** The inputs of an operation: its key, its parameters and its body. */
function inputs(specification, operation) {
  const found = [];
  for (const [scheme] of (operation.security ?? []).flatMap(Object.entries)) {
    const { type, name } = specification.components.securitySchemes[scheme];
    const header = type === "http" ? "Authorization" : name;
    const input = make("input", { type: "password", autocomplete: "off", required: true });
    found.push({ place: "header", name: header, prefix: type === "http" ? "Bearer " : "", input, label: `${header} (key)` });
  }
  for (const parameter of operation.parameters ?? []) {
    const { name, in: place, required = false, schema } = resolve(specification, parameter);
    const { enum: values, example = "" } = resolve(specification, schema);
    const input = values ? make("select", {}, ...(required ? [] : [new Option("")]), ...values.map((value) => new Option(value)))
      : make("input", { placeholder: example, required, ...(name === "X-API-Key" && { type: "password", autocomplete: "off" }) });
    found.push({ place, name, prefix: "", input, label: `${name}${required ? "" : " (optional)"}` });
  }
  return found;
}

function bodyInput(specification, operation) {
  const content = operation.requestBody?.content["application/json"];
  if (!content) return null;
  const example = content.example ?? resolve(specification, content.schema).example ?? {};
  return make("textarea", { rows: 5, value: JSON.stringify(example, null, 2), spellcheck: false });
}

async function send(method, path, fields, body, output) {
  const url = new URL(path, location.origin);
  const headers = {};
  for (const { place, name, prefix, input } of fields) {
    if (!input.value) continue;
    if (place === "path") url.pathname = url.pathname.replace(encodeURIComponent(`{${name}}`), encodeURIComponent(input.value)).replace(`{${name}}`, encodeURIComponent(input.value));
    else if (place === "query") url.searchParams.set(name, input.value);
    else headers[name] = prefix + input.value;
  }
  if (body) headers["Content-Type"] = "application/json";
  try {
    const answer = await fetch(url, { method: method.toUpperCase(), headers, body: body?.value });
    const text = await answer.text();
    let shown = text;
    try {
      shown = JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      // Not JSON: shown as it came.
    }
    const limits = [...answer.headers].filter(([name]) => /^(x-|retry)/.test(name)).map(([name, value]) => `${name}: ${value}`);
    output.textContent = [`${answer.status} ${answer.statusText}`, ...limits, "", shown.slice(0, SHOWN_BYTES)].join("\n");
  } catch (error) {
    output.textContent = `No response: ${error.message}`;
  }
}

function show(specification, path, method, operation) {
  const fields = inputs(specification, operation);
  const body = bodyInput(specification, operation);
  const output = make("pre", { tabIndex: 0, ariaLabel: "Response", hidden: true });
  const form = make("form", {}, ...fields.map(({ label, input }) => field(label, input)));
  if (body) form.append(make("label", { textContent: "Body", className: "reason" }, body));
  form.append(make("button", { textContent: "Send" }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    output.hidden = false;
    output.textContent = "…";
    await send(method, path, fields, body, output);
  });
  const rows = Object.entries(operation.responses).map(([status, response]) =>
    make("tr", {}, make("td", { textContent: status }), make("td", { className: "path", textContent: resolve(specification, response).description })));
  const table = make("table", {}, make("thead", {}, make("tr", {}, make("th", { textContent: "Status", scope: "col" }), make("th", { textContent: "Meaning", scope: "col" }))), make("tbody", {}, ...rows));
  return make("details", { id: operation.operationId },
    make("summary", {}, make("span", { className: "method", textContent: method.toUpperCase() }), make("span", { className: "path", textContent: path }), ` ${operation.summary}`),
    ...(operation.description ? [make("p", { textContent: operation.description })] : []),
    make("div", { className: "table" }, table), form, output);
}

async function start() {
  const specification = await (await fetch("/openapi.json")).json();
  const groups = new Map(specification.tags.map(({ name, description }) => [name, make("section", {}, make("h2", { textContent: name }), make("p", { textContent: description }))]));
  for (const [path, item] of Object.entries(specification.paths)) {
    for (const method of METHODS) {
      if (item[method]) groups.get(item[method].tags[0]).append(show(specification, path, method, item[method]));
    }
  }
  document.querySelector("#operations").replaceChildren(...groups.values());
}

start().catch((error) => { document.querySelector("#message").textContent = error.message; });
