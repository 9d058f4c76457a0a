// SPDX-License-Identifier: Apache-2.0
// Elements, requests and the address: what every page of the explorer uses.

/** What the server said at the start. */
export const state = { session: null, definitions: [] };

// ---- elements

/** An element; texts are texts, never markup. */
export function h(name, properties = {}, ...children) {
  const svg = ["svg", "rect", "path", "line"].includes(name);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "style") Object.entries(value).forEach(([p, v]) => node.style.setProperty(p, v));
    else if (key in node && !svg && !["list", "role", "width", "height"].includes(key) && !key.startsWith("aria")) node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

export function fill(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

/** A message for everybody, also for those who cannot see the page change. */
export function say(text) {
  document.getElementById("status").textContent = text;
}

export function fault(error) {
  return h("p", { class: "note", role: "alert" }, String(error.message ?? error));
}

/** A word of the field, linked to its definition. */
export function term(key, name) {
  const known = state.definitions.find((one) => one.key === key);
  if (!known) return name ?? key;
  return h("a", { class: "term", href: "#/definitions?term=" + encodeURIComponent(key), title: known.text }, name ?? known.name);
}

// ---- numbers

export const number = (x, digits = 3) =>
  x === null || x === undefined || !Number.isFinite(Number(x)) ? "–" : Number(Number(x).toPrecision(digits)).toString().replace("e-", "e−").replace(/^-/, "−");
export const percent = (x, digits = 1) => (x === null || x === undefined ? "–" : (100 * x).toFixed(digits) + " %");
export const signed = (x, digits = 2) => (x > 0 ? "+" : x < 0 ? "−" : "") + Math.abs(x).toFixed(digits);
export const featureName = (one) => one.name ?? "no clear name";

export function bytes(base64) {
  const text = atob(base64);
  const all = new Uint8Array(text.length);
  for (let i = 0; i < all.length; i++) all[i] = text.charCodeAt(i);
  return all;
}

// ---- requests

const CLIENT = (() => {
  let own = sessionStorage.getItem("client");
  if (!own) {
    own = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
    sessionStorage.setItem("client", own);
  }
  return own;
})();

async function answered(response) {
  const json = response.headers.get("Content-Type")?.startsWith("application/json") ? await response.json() : null;
  if (response.ok) return json;
  const error = new Error(json?.error ?? "The server answered " + response.status);
  error.stale = response.status === 409;
  throw error;
}

async function sent(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (e) {
    throw new Error("The server does not answer: was clipsteer explore stopped?");
  }
  return answered(response);
}

export const get = (path) => sent(path, { headers: { "X-Client": CLIENT } });
export const post = (path, body) =>
  sent(path, {
    method: "POST",
    headers: { "X-Client": CLIENT, "X-Clipsteer": "1", "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
export const postImage = (file) =>
  sent("api/images", { method: "POST", headers: { "X-Client": CLIENT, "X-Clipsteer": "1", "Content-Type": file.type || "image/jpeg" }, body: file });

/** Requests of which only the newest counts: one is on its way, one waits, late answers are dropped. */
export class Newest {
  #busy = false;
  #next = null;

  /** Sends, unless a newer one comes before its turn; `use` gets the answer of the newest only. */
  async ask(send, use, failed) {
    this.#next = { send, use, failed };
    if (this.#busy) return;
    this.#busy = true;
    while (this.#next) {
      const own = this.#next;
      this.#next = null;
      try {
        const answer = await own.send();
        if (!this.#next) own.use(answer);
      } catch (e) {
        if (!this.#next && !e.stale) own.failed(e);
      }
    }
    this.#busy = false;
  }
}

/** Follows a job to its end. `shown` gets each state. */
export async function follow(job, shown) {
  let now = job;
  while (!now.result && !now.error) {
    shown(now);
    await new Promise((done) => setTimeout(done, 300));
    now = await get("api/jobs/" + now.job);
  }
  if (now.error) throw new Error(now.error);
  return now;
}

/** A button that starts a job, shows how far it is, and stops it. */
export function jobButton(label, start, use) {
  const where = h("span", { class: "muted", role: "status" });
  let running = null;
  const button = h("button", {
    type: "button",
    onclick: async () => {
      if (running) {
        await post("api/jobs/" + running + "/cancel", {}).catch(() => {});
        return;
      }
      button.textContent = "Stop";
      try {
        const job = await start();
        running = job.job;
        const end = await follow(job, (now) => (where.textContent = ` ${now.done} of ${now.total} images`));
        where.textContent = end.skipped ? ` ${end.skipped} images could not be read` : "";
        use(end.result);
      } catch (e) {
        fill(where, " " + e.message);
      }
      running = null;
      button.textContent = label;
    },
  }, label);
  return h("span", {}, button, where);
}

// ---- the address

/** Page and parameters of the address. */
export function place() {
  const [page, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { page: page || "overview", params: new URLSearchParams(query ?? "") };
}

export function address(page, params) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== "") query.set(key, value);
  }
  return "#/" + page + (query.size ? "?" + query : "");
}

export function go(page, params) {
  location.hash = address(page, params);
}

/** Notes the state in the address without drawing the page anew. */
export function note(page, params) {
  history.replaceState(null, "", address(page, params));
}

export const runNumber = () => Number(place().params.get("run") ?? 0);
export const run = () => state.session.runs[runNumber()] ?? state.session.runs[0];
export const api = (path) => `api/runs/${runNumber()}/${path}`;
export const cardAddress = (one) => address("feature", { run: runNumber() || null, sae: one.sae, id: one.id });
export const imageSource = (id, size) => api(`images/${encodeURIComponent(id)}/${size}`);

// ---- images

/** Colours of a heat map, dark blue to yellow: cividis, which all eyes can tell apart. */
const CIVIDIS = [[0, 32, 76], [0, 57, 110], [60, 77, 107], [98, 98, 110], [124, 123, 120], [157, 149, 117], [192, 176, 108], [229, 206, 91], [255, 234, 70]];

function cividis(share) {
  const at = Math.min(CIVIDIS.length - 1.001, Math.max(0, share * (CIVIDIS.length - 1)));
  const k = Math.floor(at);
  return CIVIDIS[k].map((c, i) => Math.round(c + (at - k) * (CIVIDIS[k + 1][i] - c)));
}

/** A heat map of patches: 0 is clear, 255 the feature's largest activation on the index. */
export function heat(map, columns) {
  const values = bytes(map);
  const rows = values.length / columns;
  const canvas = h("canvas", { width: columns, height: rows, class: "heat", "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  values.forEach((v, k) => {
    const share = v / 255;
    image.data.set([...cividis(share), v === 0 ? 0 : 70 + Math.round(160 * share)], 4 * k);
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

/** A line round the patches above half of the largest activation. */
function contour(map, columns) {
  const values = bytes(map);
  const rows = values.length / columns;
  const inside = (x, y) => x >= 0 && y >= 0 && x < columns && y < rows && values[y * columns + x] >= 128;
  let path = "";
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      if (!inside(x, y)) continue;
      if (!inside(x, y - 1)) path += `M${x} ${y}h1`;
      if (!inside(x, y + 1)) path += `M${x} ${y + 1}h1`;
      if (!inside(x - 1, y)) path += `M${x} ${y}v1`;
      if (!inside(x + 1, y)) path += `M${x + 1} ${y}v1`;
    }
  }
  return h("svg", { class: "heat", viewBox: `0 0 ${columns} ${rows}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    h("path", { d: path, fill: "none", stroke: "#fff", "stroke-width": 2, "vector-effect": "non-scaling-stroke" }));
}

/** The printed scale of heat maps. */
export function scale(max) {
  const bar = h("span", { class: "scale", "aria-hidden": "true" });
  return h("p", { class: "muted" }, "0 ", bar, ` ${number(max)}: its largest activation on the index; the white line is round patches above half of it`);
}

/** An image with an optional heat map, or a frame round its strongest patch. */
export function picture(image, alt, options = {}) {
  const { columns, rows } = run();
  const frame = h("span", { class: "picture " + (options.class ?? "") });
  if (image === null || image === undefined) {
    frame.append(h("span", { class: "missing" }, "not in --images"));
    return frame;
  }
  if (options.patch >= 0) {
    const x = (options.patch % columns) + 0.5, y = Math.floor(options.patch / columns) + 0.5;
    frame.style.setProperty("--x", (100 * x) / columns + "%");
    frame.style.setProperty("--y", (100 * y) / rows + "%");
  }
  if (options.map && options.max) {
    const values = bytes(options.map);
    frame.addEventListener("pointermove", (event) => {
      const r = frame.getBoundingClientRect();
      const x = Math.min(columns - 1, Math.max(0, Math.floor(((event.clientX - r.left) / r.width) * columns)));
      const y = Math.min(rows - 1, Math.max(0, Math.floor(((event.clientY - r.top) / r.height) * rows)));
      frame.title = number((values[y * columns + x] / 255) * options.max);
    });
  }
  frame.append(h("img", { src: imageSource(image, options.size ?? "small"), alt, loading: "lazy", draggable: false }));
  if (options.map) frame.append(heat(options.map, columns), contour(options.map, columns));
  if (options.patch !== null && options.patch !== undefined && options.patch >= 0) {
    const x = options.patch % columns, y = Math.floor(options.patch / columns);
    frame.append(h("span", { class: "spot", "aria-hidden": "true", style: { left: (100 * x) / columns + "%", top: (100 * y) / rows + "%", width: 100 / columns + "%", height: 100 / rows + "%" } }));
  }
  return frame;
}

/** The strongest images of a feature in a row. */
export function exemplars(one) {
  return h("span", { class: "exemplars" }, one.exemplars.map((e, k) =>
    picture(e.image, `image ${k + 1} of ${featureName(one)}, activation ${number(e.max)}`, { patch: e.patch })));
}

/** A feature in a list. */
export function featureLine(one, ...buttons) {
  const label = `${one.layer}:${one.id}`;
  return h("li", { class: "feature" },
    h("div", { class: "head" },
      h("a", { href: cardAddress(one) }, label), " ",
      h("b", {}, featureName(one)), " ",
      one.steered ? h("span", { class: "muted" }, "steering raises ", one.steered) : null),
    one.exemplars ? exemplars(one) : null,
    h("div", { class: "buttons" }, buttons));
}
