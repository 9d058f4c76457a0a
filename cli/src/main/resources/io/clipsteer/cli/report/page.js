// SPDX-License-Identifier: Apache-2.0
// The parts of every page. Text from files only ever becomes text: nothing here parses HTML.
const DATA = JSON.parse(document.getElementById("data").textContent);
const app = document.getElementById("app");

function h(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) e.addEventListener(key.slice(2), value);
    else if (key === "class") e.className = value;
    else e.setAttribute(key, value === true ? "" : value);
  }
  e.append(...children.flat(9).filter((c) => c !== null && c !== undefined && c !== false));
  return e;
}

// ---- numbers and words -------------------------------------------------------------------------
const isNumber = (v) => typeof v === "number" && isFinite(v);
const fixed = (v, digits) => (isNumber(v) ? v.toFixed(digits).replace(/^-(?=[0.]*$)/, "") : "–");
const whole = (v) => (isNumber(v) ? Math.round(v).toLocaleString("en") : "–");
const counted = (n, one) => whole(n) + " " + one + (n === 1 ? "" : "s");
function short(v) {
  if (!isNumber(v)) return "–";
  if (v === 0) return "0";
  const a = Math.abs(v);
  if (a >= 1000) return whole(v);
  if (a < 0.001) return v.toExponential(1);
  return String(Number(v.toPrecision(3)));
}
function percent(v) {
  if (!isNumber(v)) return "–";
  const p = 100 * v;
  return (p !== 0 && p < 0.1 ? p.toPrecision(2) : p.toFixed(1)) + " %";
}
/** A share with its interval. */
const range = (v) => percent(v.value) + " (" + percent(v.low).replace(" %", "") + " to " + percent(v.high) + ")";
const between = (v, digits) => fixed(v.value, digits) + " (" + fixed(v.low, digits) + " to " + fixed(v.high, digits) + ")";
/** The last two names of a path. */
const tail = (path) => String(path).split(/[/\\]+/).slice(-2).join("/");

// ---- definitions -------------------------------------------------------------------------------
let definitions = { terms: [], scopes: {} };
/** A word with its definition: on hover, and on a tap or key. */
function def(word, key) {
  const term = definitions.terms.find((t) => t.key === key);
  if (!term) return word;
  return h("button", { class: "def", type: "button", title: term.text, onclick: (e) => { e.preventDefault(); e.stopPropagation(); pop(term); } }, word);
}
const hint = () => h("p", { class: "muted" }, "A dotted word shows its definition when pointed at or tapped.");
function unpop() { document.querySelectorAll(".pop").forEach((p) => p.remove()); }
function pop(term) {
  unpop();
  const scope = definitions.scopes[term.section];
  document.body.append(h("div", { class: "pop", role: "status" }, h("b", {}, term.name), h("p", {}, term.text), scope ? h("p", { class: "muted" }, scope) : null, h("small", {}, "From docs/metrics.md. Tap anywhere to close.")));
}
document.addEventListener("click", unpop);
document.addEventListener("keydown", (e) => { if (e.key === "Escape") unpop(); });
function definitionsPage() {
  const main = h("main", {}, h("h1", {}, "Definitions"));
  for (const section of [...new Set(definitions.terms.map((t) => t.section))]) {
    main.append(h("h2", {}, section ? "clipsteer " + section : "All commands"));
    if (definitions.scopes[section]) main.append(h("p", { class: "muted" }, definitions.scopes[section]));
    main.append(h("dl", { class: "facts card" }, definitions.terms.filter((t) => t.section === section).map((t) => [h("dt", {}, t.name), h("dd", {}, t.text)])));
  }
  return main;
}

// ---- tables ------------------------------------------------------------------------------------
const tile = (word, key, value, more) => h("div", { class: "card tile" }, h("small", {}, def(word, key)), h("b", {}, value), more ? h("small", {}, more) : null);
const cells = (list, tag, more) => list.map((c) => (c instanceof HTMLTableCellElement ? c : h(tag, more || {}, c)));
/** Hints below a table that it scrolls, until its end is visible. */
const scrolling = new ResizeObserver((entries) => entries.forEach((e) => mark(e.target)));
function mark(box) {
  const more = box.scrollWidth > box.clientWidth + 1;
  const end = box.scrollLeft + box.clientWidth > box.scrollWidth - 2;
  box.parentElement.classList.toggle("more", more && !end);
  if (more) box.setAttribute("tabindex", "0");
}
/**
 * @param heads names of the columns
 * @param groups names above several columns: [name, columns]; optional
 */
function table(heads, rows, groups) {
  const box = h("div", { class: "wide", onscroll: (e) => mark(e.target) }, h("table", {},
    h("thead", {}, groups ? h("tr", { class: "groups" }, groups.map(([name, n]) => h("th", { scope: "colgroup", colspan: n }, name))) : null,
      h("tr", {}, cells(heads, "th", { scope: "col" }))),
    h("tbody", {}, rows.map((r) => h("tr", {}, cells(r, "td"))))));
  scrolling.observe(box);
  return h("div", { class: "card table" }, box, h("small", { class: "scrolls", "aria-hidden": "true" }, "scroll for more columns →"));
}

// ---- images and maps ---------------------------------------------------------------------------
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
function pixels(canvas, values, columns, rows, rgba) {
  canvas.width = columns; canvas.height = rows;
  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) image.data.set(rgba((values[i] || 0) / 255), 4 * i);
  context.putImageData(image, 0, 0);
  return canvas;
}
/** A map of its own, from amber to magenta, as the class "scale" of page.css has it. */
const paint = (canvas, values, columns, rows) => pixels(canvas, values, columns, rows, (v) => [255 - 45 * v, 205 * (1 - v), 110 * v, 255]);
/** A map over an image: a grey veil, clear where the value is largest, so that no colour of the image is taken for the map's. */
const veil = (canvas, values, columns, rows) => pixels(canvas, values, columns, rows, (v) => [122, 126, 134, 190 * (1 - Math.sqrt(v))]);
const scale = (low, high, what, veiled) => h("span", { class: "scale" + (veiled ? " veil" : "") }, h("span", {}, low), h("i", { "aria-hidden": "true" }), h("span", {}, high), what ? h("span", {}, what) : null);

// ---- the page ----------------------------------------------------------------------------------
/**
 * Shows the part that the address names.
 *
 * @param name of the run, in the bar
 * @param parts [path, name, function that makes it], the first being the start
 * @param route makes what is no part: from the path's words, or null
 */
function start(name, parts, route) {
  function show() {
    dropCharts();
    scrolling.disconnect();
    unpop();
    const [path, query] = (location.hash || "#/").slice(1).split("?"), words = path.split("/").filter(Boolean);
    const routed = route && route(words, new URLSearchParams(query || ""));
    const part = parts.find((p) => p[0] === (routed ? routed.part : words[0] || "")) || parts[0];
    app.replaceChildren(h("header", {}, h("div", {}, h("strong", {}, name), h("nav", {}, parts.map((p) => h("a", { href: "#/" + p[0], "aria-current": p === part ? "page" : null }, p[1]))))), (routed && routed.main) || part[2]());
    document.querySelectorAll(".wide").forEach(mark);
  }
  window.addEventListener("hashchange", () => { show(); scrollTo(0, 0); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
}
