// SPDX-License-Identifier: Apache-2.0
// The heart: select patches of an image, see their features, edit some, and compare the answers.
import { Newest, address, api, bytes, cardAddress, exemplars, fault, featureLine, featureName, fill, get, h, heat, imageSource, jobButton, note, number, percent, post, postImage, run, runNumber, say, scale, signed, state, term } from "./parts.js";
import { imageChooser } from "./overview.js";
import { classColour, classMap, curve } from "./charts.js";
import { labelSelect, verdict } from "./features.js";

const KINDS = { f: "feature", n: "neuron", r: "random" };
const STEP = 0.05, MOST = 3;

/** Units as the address has them: SAE.KIND.ID@SET, an empty SET is untouched. */
export const unitsText = (units) => units.map((u) => `${u.sae}.${u.kind}.${u.id}@${u.set}`).join(",");
const unitsOf = (text) => (text ? text.split(",") : []).map((one) => /^(\d+)\.([fnr])\.(\d+)@(.*)$/.exec(one)).filter(Boolean)
  .map((m) => ({ sae: Number(m[1]), kind: m[2], id: Number(m[3]), set: m[4] }));

export async function experiment(main, params) {
  const e = {
    image: params.get("image") ?? "", patches: new Set(), tokens: params.get("tokens") ?? "all",
    units: unitsOf(params.get("units")), words: (params.get("words") || "").split("|").filter(Boolean), off: false, undo: [], redo: [], known: new Map(), label: params.get("label") ?? "",
  };
  const own = run();
  if (!own.saes.length) throw new Error("The run has no SAE.");
  const fits = (u) => own.saes[u.sae] && (u.kind !== "f" || u.id < own.saes[u.sae].features) && /^(-?[\d.]+(e-?\d+)?x?|p[\d.]+)?$/.test(u.set);
  const linked = (params.get("patches") || "").split(",").filter(Boolean).map(Number);
  e.patches = new Set(linked.filter((k) => Number.isInteger(k) && k >= 0 && k < own.rows * own.columns));
  const skipped = [[e.units.filter((u) => !fits(u)).length, "units"], [linked.filter((k) => !e.patches.has(k)).length, "patches"]].filter(([n]) => n);
  e.units = e.units.filter(fits);
  const view = {
    image: h("div", {}), features: h("div", {}), others: h("div", {}), edit: h("div", {}), answers: h("div", { "aria-live": "polite", "aria-label": "Answers", role: "region" }), labels: h("p", { class: "muted path" }),
    result: h("div", {}),
  };
  const selecting = new Newest(), answering = new Newest();

  const noteState = () => note("experiment", { run: runNumber() || null, image: e.image, patches: [...e.patches].sort((a, b) => a - b).join(","), tokens: e.tokens === "all" ? null : e.tokens, units: unitsText(e.units), words: e.words.join("|") });
  const touched = () => e.units.filter((u) => u.set !== "");
  /** The edit, whether it is applied at the moment or not. */
  const edit = () => ({
    image: e.image, tokens: e.tokens, patches: [...e.patches], words: e.words,
    units: touched().map((u) => ({ sae: u.sae, kind: KINDS[u.kind], id: u.id, set: u.set })),
  });
  const body = () => ({ ...edit(), units: e.off ? [] : edit().units });

  // ---- the image and its patches

  function drawImage() {
    fill(view.image);
    if (e.image === "") return;
    const cells = [];
    const overlay = h("span", { class: "overlay" }), legend = h("div", {});
    const surface = h("div", { class: "patches", role: "grid", "aria-label": "Patches of the image", "aria-multiselectable": "true", style: { "grid-template-columns": `repeat(${own.columns}, 1fr)`, "grid-template-rows": `repeat(${own.rows}, 1fr)` } });
    for (let y = 0; y < own.rows; y++) {
      const row = h("div", { role: "row", class: "row" });
      for (let x = 0; x < own.columns; x++) {
        const k = y * own.columns + x;
        cells.push(h("span", { role: "gridcell", tabindex: k === 0 ? "0" : "-1", "data-patch": String(k), "aria-label": `patch ${k}, row ${y + 1}, column ${x + 1}`, "aria-selected": String(e.patches.has(k)) }));
        row.append(cells[k]);
      }
      surface.append(row);
    }
    const mark = () => cells.forEach((cell, k) => cell.setAttribute("aria-selected", String(e.patches.has(k))));
    const changed = () => { mark(); noteState(); select(); if (e.tokens === "selected") answer(); };
    /** The patch under the pointer, from the rectangle that is drawn: also at its edges. */
    const at = (event) => {
      const r = surface.getBoundingClientRect();
      const x = Math.min(own.columns - 1, Math.max(0, Math.floor(((event.clientX - r.left) / r.width) * own.columns)));
      const y = Math.min(own.rows - 1, Math.max(0, Math.floor(((event.clientY - r.top) / r.height) * own.rows)));
      return y * own.columns + x;
    };
    let dragged = null;
    surface.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      const k = at(event);
      dragged = { from: k, adds: !e.patches.has(k), before: new Set(e.patches) };
      surface.setPointerCapture(event.pointerId);
      draggedTo(k);
      focus(k);
    });
    function draggedTo(to) {
      const [x0, y0, x1, y1] = [dragged.from % own.columns, Math.floor(dragged.from / own.columns), to % own.columns, Math.floor(to / own.columns)];
      e.patches = new Set(dragged.before);
      for (let y = Math.min(y0, y1); y <= Math.max(y0, y1); y++) {
        for (let x = Math.min(x0, x1); x <= Math.max(x0, x1); x++) {
          if (dragged.adds) e.patches.add(y * own.columns + x);
          else e.patches.delete(y * own.columns + x);
        }
      }
      mark();
    }
    surface.addEventListener("pointermove", (event) => {
      const k = at(event);
      hovered(k);
      if (dragged) draggedTo(k);
    });
    const ended = () => { if (dragged) { dragged = null; changed(); } };
    surface.addEventListener("pointerup", ended);
    surface.addEventListener("pointercancel", ended);
    surface.addEventListener("pointerleave", () => hovered(null));
    let current = 0;
    function focus(k) {
      cells[current].setAttribute("tabindex", "-1");
      current = k;
      cells[k].setAttribute("tabindex", "0");
      cells[k].focus({ preventScroll: true });
      hovered(k);
    }
    surface.addEventListener("keydown", (event) => {
      const x = current % own.columns, y = Math.floor(current / own.columns);
      const moves = { ArrowLeft: [x - 1, y], ArrowRight: [x + 1, y], ArrowUp: [x, y - 1], ArrowDown: [x, y + 1], Home: [0, y], End: [own.columns - 1, y] };
      if (moves[event.key]) {
        const [nx, ny] = moves[event.key];
        event.preventDefault();
        if (nx < 0 || ny < 0 || nx >= own.columns || ny >= own.rows) return;
        focus(ny * own.columns + nx);
        if (event.shiftKey) { e.patches.add(current); changed(); }
      } else if (event.key === " " || event.key === "Enter") {
        event.preventDefault();
        if (!e.patches.delete(current)) e.patches.add(current);
        changed();
      } else if (event.key === "Escape") {
        e.patches.clear();
        changed();
      }
    });
    const under = h("p", { class: "muted", id: "under" }, " ");
    let shown = null;
    const hovered = (k) => {
      if (k === null) { under.textContent = " "; return; }
      under.textContent = `patch ${k}` + (shown ? `, ${shown.name}: ${number((bytes(shown.here)[k] / 255) * shown.max)}` : "");
    };
    view.overlay = (one) => {
      shown = one;
      fill(overlay, one ? heat(one.here, own.columns) : null);
      fill(legend, one ? [one.name, ": ", scale(one.max)] : null);
    };
    view.clear = () => { e.patches.clear(); changed(); };
    fill(view.image,
      h("div", { class: "canvas" }, h("img", { src: imageSource(e.image, "large"), alt: "The image that is examined", draggable: false }), overlay, surface), legend, under,
      h("p", { class: "controls" }, h("button", { type: "button", onclick: () => view.clear() }, "Clear the selection"), h("span", { class: "muted" }, "Click or drag over patches; arrows and space work, too.")));
  }

  async function open(image) {
    e.image = image;
    e.patches.clear();
    drawImage();
    noteState();
    select();
    answer();
    labels();
  }

  async function labels() {
    view.labels.textContent = "";
    e.labels = [];
    if (/^\d+$/.test(e.image)) {
      const page = await get(`api/images?from=0&count=1&id=${e.image}`).catch(() => null);
      const one = page?.images[0];
      if (one) { view.labels.textContent = one.name + (one.labels.length ? " · " + one.labels.join(", ") : ""); e.labels = one.labels; }
    }
    drawFinder();
    drawSuggestions();
  }

  async function bring(files) {
    const file = [...files].find((f) => f.type.startsWith("image/"));
    if (!file) return say("That was no image.");
    try {
      open((await postImage(file)).image);
    } catch (error) {
      fill(view.image, fault(error));
    }
  }

  // ---- features to edit

  const finder = h("div", {});
  let tab = "selection";
  function drawFinder() {
    const tabs = [["selection", "Of the selection"], ["text", "By text"], ["label", "By label"]].filter(([key]) => (key !== "text" || own.texts) && (key !== "label" || Object.keys(state.session.factors).length));
    const chosen = (key) => () => { tab = key; drawFinder(); finder.querySelector("[aria-pressed=true]").focus(); if (key === "selection") select(); else fill(view.features); };
    const submit = (event) => { event.preventDefault(); find(new FormData(event.target)); };
    fill(finder,
      h("div", { class: "tabs", role: "group", "aria-label": "Where features come from" }, tabs.map(([key, name]) => h("button", { type: "button", "aria-pressed": String(key === tab), onclick: chosen(key) }, name))),
      tab === "text" ? h("form", { class: "controls", role: "search", onsubmit: submit }, h("label", {}, "Text ", h("input", { name: "text", type: "search", required: true, maxLength: 200 })), h("button", {}, "Search")) : null,
      tab === "label" ? [h("form", { class: "controls", onsubmit: submit }, labelSelect("", "Label "), h("button", {}, "Search")),
        e.labels?.length ? h("p", { class: "controls" }, "This image: ", e.labels.map((one) => h("button", { type: "button", class: "chip", onclick: () => find(new FormData(), one) }, one))) : null] : null);
  }

  async function find(data, label) {
    const text = data.get("text");
    const wanted = label ?? data.get("label");
    try {
      const answer = await get(api("search?" + new URLSearchParams(text ? { text, count: 12 } : { label: wanted, count: 12 })));
      showFeatures(answer.features, text ? verdict(answer, text) : h("p", { class: "muted" }, `Features that tell images with ${wanted} from others, by `, term("auroc", "AUROC")));
    } catch (error) {
      fill(view.features, fault(error));
    }
  }

  function select() {
    if (e.image === "" || tab !== "selection") return;
    selecting.ask(() => post(api("selection"), { image: e.image, patches: [...e.patches], count: 8 }),
      (answer) => { showFeatures(answer.features, h("p", { class: "muted" }, e.patches.size ? `Strongest on the ${e.patches.size} selected patches` : "Strongest on the whole image; select patches for theirs")); others(); },
      (error) => fill(view.features, fault(error)));
  }

  /** The same patches in the other runs. */
  function others() {
    fill(view.others);
    state.session.runs.forEach(async (other, k) => {
      if (k === runNumber() || other.indexing) return;
      const cells = new Set();
      for (const p of e.patches) {
        const x = p % own.columns, y = Math.floor(p / own.columns);
        for (let row = Math.floor((y * other.rows) / own.rows); row < ((y + 1) * other.rows) / own.rows; row++) {
          for (let column = Math.floor((x * other.columns) / own.columns); column < ((x + 1) * other.columns) / own.columns; column++) cells.add(row * other.columns + column);
        }
      }
      try {
        const answer = await post(`api/runs/${k}/selection`, { image: e.image, patches: [...cells], count: 8 });
        view.others.append(h("section", { class: "card", "aria-label": "In " + other.name }, h("h3", {}, "The same patches in " + other.name),
          h("ol", { class: "features" }, answer.features.map((one) => h("li", { class: "feature" }, h("a", { href: address("feature", { run: k || null, sae: one.sae, id: one.id }) }, `${one.layer}:${one.id}`), " ", h("b", {}, featureName(one)), exemplars(one)))),
          h("p", {}, h("a", { href: address("experiment", { run: k || null, image: e.image, patches: [...cells].join(","), words: e.words.join("|") }) }, "Experiment there"))));
      } catch (error) {
        if (!error.stale) view.others.append(fault(error));
      }
    });
  }

  function showFeatures(all, title) {
    all.forEach((one) => e.known.set(one.sae + "." + one.id, one));
    const count = h("input", { type: "number", min: 1, max: all.length, value: Math.min(4, all.length), "aria-label": "How many" });
    fill(view.features, title,
      all.length ? h("p", { class: "controls" }, h("button", { type: "button", onclick: () => add(all.slice(0, Number(count.value)), "0") }, "Suppress the first"), count) : h("p", {}, "No feature is active there."),
      h("ol", { class: "features" }, all.map((one) => featureLine(one,
        h("button", { type: "button", onclick: () => add([one], "0") }, "Suppress"), h("button", { type: "button", onclick: () => add([one], "2x") }, "Boost"), h("button", { type: "button", onclick: () => add([one], "") }, "Add"),
        one.here ? h("button", { type: "button", "aria-pressed": "false", onclick: (event) => toggleMap(event.target, one) }, "Map") : null))));
  }

  function toggleMap(button, one) {
    const on = button.getAttribute("aria-pressed") !== "true";
    view.features.querySelectorAll("[aria-pressed]").forEach((b) => b.setAttribute("aria-pressed", "false"));
    button.setAttribute("aria-pressed", String(on));
    view.overlay?.(on ? { here: one.here, max: one.max, name: `${one.layer}:${one.id}` } : null);
  }

  // ---- the edit

  function change(use) {
    e.undo.push(JSON.stringify([e.units, e.tokens]));
    e.redo = [];
    use();
    drawEdit();
    noteState();
    answer();
  }
  function add(features, set) {
    change(() => {
      for (const one of features) {
        const there = e.units.find((u) => u.kind === "f" && u.sae === one.sae && u.id === one.id);
        if (there) there.set = set;
        else e.units.push({ sae: one.sae, kind: "f", id: one.id, set });
      }
    });
  }
  function back(from, to) {
    if (!from.length) return;
    to.push(JSON.stringify([e.units, e.tokens]));
    [e.units, e.tokens] = JSON.parse(from.pop());
    drawEdit();
    noteState();
    answer();
  }

  /** Whether there is something to undo; the rest stays as it is, with the focus where it is. */
  let drawUndo = () => {};
  function drawEdit() {
    const tokens = h("select", { onchange: () => change(() => (e.tokens = tokens.value)) }, [["all", "all tokens"], ["cls", "the class token"], ["patches", "all patches"], ["selected", "the selected patches"]].map(([v, t]) => h("option", { value: v, selected: v === e.tokens }, t)));
    const undo = h("button", { type: "button", onclick: () => back(e.undo, e.redo) }, "Undo");
    const redo = h("button", { type: "button", onclick: () => back(e.redo, e.undo) }, "Redo");
    drawUndo = () => { undo.disabled = !e.undo.length; redo.disabled = !e.redo.length; };
    drawUndo();
    fill(view.edit,
      h("p", { class: "controls" }, h("label", {}, "On ", tokens), undo, redo,
        h("button", { type: "button", disabled: !e.units.length, onclick: () => change(() => (e.units = [])) }, "Reset"),
        h("button", { type: "button", disabled: !e.units.length, "aria-pressed": String(e.off), onclick: () => { e.off = !e.off; drawEdit(); answer(); } }, "Without the edit")),
      e.units.length ? h("ol", { class: "units" }, e.units.map(unit)) : h("p", { class: "muted" }, "Nothing is edited. Suppress or add a feature."), other());
  }

  function unit(u, place) {
    const sae = own.saes[u.sae];
    const known = e.known.get(u.sae + "." + u.id);
    const label = `${u.kind === "f" ? "" : KINDS[u.kind] + " "}${sae?.layer ?? "?"}:${u.id}`;
    const own_x = u.kind !== "n" && !/^-?[\d.]+$/.test(u.set || "0x");
    u.scale ??= u.set === "0" ? (u.kind === "n" ? "s" : "x") : own_x ? "x" : "s";
    const span = u.scale === "x" ? MOST : u.kind === "n" ? 100 : MOST * (known?.max ?? known?.exemplars?.[0]?.max ?? 10);
    const percentile = u.set.startsWith("p") ? u.set.slice(1) : null;
    const value = u.set === "" || percentile ? 0 : Number(u.set.replace("x", ""));
    const max = Math.max(span, Math.abs(value));
    const write = (text) => (u.scale === "x" && Number(text) !== 0 ? Number(text) + "x" : String(Number(text)));
    const words = () => (u.set === "" ? "untouched" : u.set === "0" ? "set to 0" : u.set.startsWith("p") ? `percentile ${u.set.slice(1)} of its activations` : u.set.endsWith("x") ? u.set.replace("x", "") + " × its maximum" : u.set + " σ");
    const spoken = h("span", { class: "muted" }, words());
    const slider = h("input", { type: "range", min: -max, max, step: u.scale === "x" ? STEP : max / 60, value, class: u.set === "" ? "untouched" : "", "aria-label": `Activation of ${label}`, "aria-valuetext": words() });
    const box = h("input", { type: "number", step: "any", value: u.set === "" || percentile ? "" : value, placeholder: percentile ? `p${percentile}` : "untouched", "aria-label": `Activation of ${label} as a number` });
    let before = null;
    slider.addEventListener("input", () => {
      before ??= JSON.stringify([e.units, e.tokens]);
      u.set = write(slider.value);
      box.value = slider.value;
      slider.classList.remove("untouched");
      slider.setAttribute("aria-valuetext", words());
      spoken.textContent = words();
      answer();
    });
    slider.addEventListener("change", () => {
      if (before) e.undo.push(before);
      e.redo = [];
      before = null;
      noteState();
      drawUndo();
    });
    box.addEventListener("change", () => change(() => (u.set = box.value === "" ? "" : write(box.value))));
    const drawn = h("div", {});
    /** What the first head answers over strengths of this unit, the others as they are. */
    async function drawCurve() {
      const strengths = Array.from({ length: 13 }, (_, k) => (k - 6) / 2);
      const answers = [];
      try {
        for (const s of strengths) {
          const units = e.units.filter((one) => one !== u && one.set !== "").concat([{ ...u, set: s === 0 ? "0" : s + "x" }]);
          const answer = await post(api("answers"), { ...body(), units: units.map((one) => ({ sae: one.sae, kind: KINDS[one.kind], id: one.id, set: one.set })) });
          answers.push(answer.heads.find((one) => one.classes));
          if (!answers.at(-1)) throw new Error("Give words, or a probe of classes.");
        }
        const peak = (name) => Math.max(...answers.map((one) => one.classes.find((c) => c.name === name)?.after ?? 0));
        const names = [...new Set(answers.flatMap((one) => one.classes.map((c) => c.name)))].sort((a, b) => peak(b) - peak(a)).slice(0, 3);
        fill(drawn, curve(strengths, names.map((name) => [name, answers.map((one) => one.classes.find((c) => c.name === name)?.after ?? 0)]), `Answers over strengths of ${label}`));
      } catch (error) {
        fill(drawn, fault(error));
      }
    }
    return h("li", {},
      h("div", { class: "head" }, u.kind === "f" ? h("a", { href: cardAddress(u) }, label) : label, " ", h("b", {}, u.kind === "f" && known ? featureName(known) : ""), " ", spoken),
      h("div", { class: "slide" }, slider, box,
        u.kind === "n" ? h("span", { class: "muted" }, "residual") : h("select", { "aria-label": `Unit of ${label}`, onchange: (event) => change(() => { u.scale = event.target.value; if (u.set !== "" && u.set !== "0") u.set = u.scale === "x" ? "1x" : String(known?.max ? Number(known.max.toPrecision(3)) : 1); }) },
          h("option", { value: "x", selected: u.scale === "x" }, "× max"), h("option", { value: "s", selected: u.scale === "s" }, "σ")),
        h("button", { type: "button", disabled: u.set === "", onclick: () => change(() => (u.set = "")) }, "Untouch"),
        u.kind === "n" ? null : h("button", { type: "button", onclick: drawCurve }, "Curve"), h("button", { type: "button", "aria-label": `Remove ${label}`, onclick: () => change(() => e.units.splice(place, 1)) }, "Remove")), drawn);
  }
  /** Neurons and random directions: what a feature is compared with. */
  function other() {
    const add = (event) => {
      event.preventDefault();
      const data = new FormData(event.target);
      const u = { sae: Number(data.get("sae")), kind: data.get("kind"), id: Number(data.get("id")), set: data.get("kind") === "r" ? "1x" : "0" };
      if (e.units.some((one) => one.sae === u.sae && one.kind === u.kind && one.id === u.id)) return say("It is in the edit already.");
      change(() => e.units.push(u));
    };
    return h("details", {}, h("summary", {}, "Add by number, a neuron, or a random direction"), h("form", { class: "controls", onsubmit: add },
      h("label", {}, "Kind ", h("select", { name: "kind" }, h("option", { value: "f" }, "feature"), h("option", { value: "n" }, "neuron"), h("option", { value: "r" }, "random direction (number is its seed)"))),
      h("label", {}, "at ", h("select", { name: "sae" }, own.saes.map((s) => h("option", { value: s.sae }, "layer " + s.layer + ", " + s.variant)))),
      h("label", {}, "number ", h("input", { name: "id", type: "number", min: 0, max: 999999999, required: true })), h("button", {}, "Add")));
  }

  // ---- answers

  function answer() {
    if (e.image === "") return;
    if (!e.words.length && !own.heads.length) return fill(view.answers, h("p", { class: "muted" }, "Type words above, or take a suggestion: the model then says which it sees."));
    view.answers.setAttribute("aria-busy", "true");
    const show = (...what) => {
      view.answers.removeAttribute("aria-busy");
      fill(view.answers, ...what);
    };
    answering.ask(() => post(api("answers"), body()), (answer) => show(answer.heads.map(headView)), (error) => show(fault(error)));
  }

  function headView(one) {
    const edited = !e.off && touched().length > 0;
    if (one.map) return mapView(one);
    const best = (key) => one.classes.reduce((a, b) => (b[key] > a[key] ? b : a)).name;
    const flipped = best("before") !== best("after");
    return h("section", { class: "card", "aria-label": "Answers of " + one.head }, h("h3", {}, one.head),
      flipped ? h("p", { class: "flip" }, `The answer changes from ${best("before")} to ${best("after")}.`) : h("p", { class: "muted" }, edited ? `The answer stays ${best("after")}.` : `The answer is ${best("before")}.`),
      h("div", { class: "wide", role: "region", "aria-label": "Probabilities of " + one.head, tabindex: "0" }, h("table", { class: "answers" }, h("thead", {}, h("tr", {}, ["Class", "Before", "After", "Logit change"].map((t) => h("th", { scope: "col" }, t)))),
        h("tbody", {}, one.classes.toSorted((a, b) => b.before - a.before).map((c) => h("tr", {}, h("th", { scope: "row" }, c.name), h("td", {}, bar(c.before, "before")), h("td", {}, bar(c.after, "after")), h("td", {}, edited ? signed(c.logit_change) : "–")))))));
  }
  const bar = (share, kind) => h("span", { class: "bar " + kind }, h("i", { style: { width: 100 * share + "%" } }), h("span", {}, percent(share)));

  function mapView(one) {
    const before = bytes(one.map.before), after = bytes(one.map.after);
    const changed = before.reduce((n, c, k) => n + (c !== after[k]), 0);
    const counts = new Map();
    before.forEach((c) => counts.set(c, (counts.get(c) ?? 0) + 1));
    after.forEach((c) => counts.has(c) || counts.set(c, 0));
    const moves = new Map();
    before.forEach((c, k) => { if (c !== after[k]) { const m = `${one.map.classes[c]} to ${one.map.classes[after[k]]}`; moves.set(m, (moves.get(m) ?? 0) + 1); } });
    const map = (label, values, shown) => h("figure", {}, h("span", { class: "canvas" }, h("img", { src: imageSource(e.image, "large"), alt: "" }), classMap(values, own.columns, label, shown)), h("figcaption", {}, label));
    return h("section", { class: "card", "aria-label": "Map of " + one.head }, h("h3", {}, one.head),
      h("p", { class: changed ? "flip" : "muted" }, changed ? `${changed} of ${before.length} patches change: ` + [...moves].sort((a, b) => b[1] - a[1]).slice(0, 5).map(([m, n]) => `${n} ${m}`).join(", ") : "No patch changes its class."),
      h("div", { class: "mapped" }, map("before", before), map("after", after), map("changed", after, (k) => before[k] !== after[k])),
      h("p", { class: "keys" }, [...counts].sort((a, b) => b[1] - a[1]).slice(0, 14).map(([c]) => h("span", {}, h("i", { style: { background: classColour(c) } }), " ", one.map.classes[c]))));
  }

  // ---- words

  const wordBox = h("input", { type: "text", value: e.words.join(", "), size: 30, maxLength: 1000, placeholder: "man, woman" });
  function takeWords(text) {
    e.words = [...new Set(text.split(",").map((w) => w.trim()).filter(Boolean))];
    wordBox.value = e.words.join(", ");
    noteState();
    answer();
    drawEffect();
  }
  /** Factors with a few values, of which the image has one: each is a question to ask. */
  const suggested = h("p", { class: "controls" });
  function drawSuggestions() {
    const asked = (factor, values) => values.length > 1 && values.length <= 12 && !values.some((v) => /^\d+$|^yes$/.test(v)) && (!e.labels?.length || e.labels.some((one) => one.startsWith(factor + ": ")));
    const chips = Object.entries(state.session.factors).map(([factor, values]) => [factor, Object.keys(values)]).filter(([factor, values]) => asked(factor, values))
      .map(([factor, values]) => h("button", { type: "button", class: "chip", onclick: () => takeWords(values.join(", ")) }, `${factor}: ${values.slice(0, 3).join(", ")}${values.length > 3 ? " …" : ""}`));
    fill(suggested, chips.length ? ["Suggestions: ", chips] : null);
  }

  // ---- many images, saving

  const effect = h("div", {});
  function drawEffect() {
    const heads = [...(e.words.length ? [["words", e.words]] : []), ...own.heads.filter((one) => !one.pixels).map((one) => [one.name, one.classes])];
    if (!heads.length) return fill(effect, h("p", { class: "muted" }, "Give words, or start with a --probe of classes."));
    const which = h("select", {}, heads.map(([head, classes]) => h("optgroup", { label: head }, classes.map((c) => h("option", { value: JSON.stringify([head, c]) }, c)))));
    const label = labelSelect("", "images with ");
    const count = h("input", { type: "number", min: 2, max: 2000, value: 50 });
    const start = async () => {
      if (!touched().length) throw new Error("Nothing is edited.");
      const wanted = label.querySelector("select").value;
      const page = await get(`api/images?count=${count.value}&label=${encodeURIComponent(wanted)}`);
      const [head, name] = JSON.parse(which.value);
      return post(api("effects"), { edit: edit(), images: page.images.map((one) => one.id), head, name });
    };
    const row = (name, one) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, `${signed(one.logit.value)} (${signed(one.logit.low)} to ${signed(one.logit.high)})`), h("td", {}, `${percent(one.flipped.value)} (${percent(one.flipped.low)} to ${percent(one.flipped.high)})`));
    const show = (r) => fill(view.result, h("p", {}, `Effect on ${r.name} over ${r.edit.logit.n} images; 95 % intervals`),
      h("table", {}, h("thead", {}, h("tr", {}, ["", term("effect_logit", "Logit change"), term("effect_flipped", "Answers that change")].map((t) => h("th", { scope: "col" }, t)))),
        h("tbody", {}, row("the edit", r.edit), r.random.map((one, k) => row(`random direction ${k + 1}, same length`, one)))));
    fill(effect, h("p", { class: "controls" }, h("label", {}, "Effect on ", which), h("label", {}, " over ", count), label, jobButton("Measure", start, show)), view.result);
  }

  const out = h("p", { class: "path", role: "status" });
  const head = () => (e.words.length ? "words" : own.heads[0]?.name ?? "words");
  async function command() {
    try {
      const { command } = await post(api("command"), { edit: edit(), head: head() });
      await navigator.clipboard?.writeText(command).catch(() => {});
      fill(out, h("code", {}, command));
    } catch (error) {
      fill(out, fault(error));
    }
  }
  async function save(event) {
    event.preventDefault();
    try {
      const saved = await post(api("edits"), { edit: edit(), name: new FormData(event.target).get("name") });
      fill(out, "Saved as ", saved.folders.join(", "), ". To export: ", saved.commands.map((one) => h("code", { class: "line" }, one)));
    } catch (error) {
      fill(out, fault(error));
    }
  }

  // ---- the page

  const file = h("input", { type: "file", accept: "image/*", "aria-label": "An image of your own", onchange: () => bring(file.files) });
  const chooser = h("details", { open: e.image === "" }, h("summary", {}, "Choose an image"), imageChooser((id) => { chooser.open = false; open(id); }, { label: e.label }),
    h("p", { class: "controls" }, h("label", {}, "Or bring your own: ", file), h("span", { class: "muted" }, "or drop it, or paste it")));
  const left = h("div", { class: "left" }, chooser, view.image, view.labels);
  left.addEventListener("drop", (event) => { event.preventDefault(); bring(event.dataTransfer.files); });
  fill(main, h("h1", {}, "Experiment"), skipped.map(([n, what]) => h("p", { class: "note" }, `${n} ${what} of the link are none of this run's, and are skipped.`)), own.squashed ? h("p", { class: "muted" }, "Images are squashed to the model's input, as the probe reads them.") : null,
    h("div", { class: "bench" }, left,
      h("section", { class: "middle", "aria-label": "Features" }, h("h2", {}, "Features"), finder, view.features, view.others),
      h("div", { class: "right" },
        h("section", { "aria-label": "Question" }, h("h2", {}, "Answers"),
          own.texts ? h("form", { class: "controls", onsubmit: (event) => { event.preventDefault(); takeWords(wordBox.value); } }, h("label", {}, "Words, by commas ", wordBox), h("button", {}, "Ask")) : null,
          own.texts ? suggested : null, view.answers),
        h("section", { "aria-label": "Edit" }, h("h2", {}, "Edit"), view.edit))),
    h("section", { "aria-label": "Many images" }, h("h2", {}, "Over many images"), effect),
    h("section", { "aria-label": "Keep" }, h("h2", {}, "Keep"), h("div", { class: "controls" }, h("button", { type: "button", onclick: command }, "Copy as command"),
      h("button", { type: "button", onclick: () => { navigator.clipboard?.writeText(location.href).catch(() => {}); fill(out, location.href); } }, "Copy link"),
      state.session.read_only ? null : h("form", { class: "controls", onsubmit: save }, h("label", {}, "Name ", h("input", { name: "name", required: true, pattern: "[A-Za-z0-9][A-Za-z0-9_\\-]{0,60}", title: "Letters, digits, - and _" })), h("button", {}, "Save as edit"))), out));
  document.onpaste = (event) => {
    if (main.contains(left) && event.clipboardData?.files.length) bring(event.clipboardData.files);
  };
  drawImage();
  drawFinder();
  drawEdit();
  drawEffect();
  select();
  answer();
  labels();
}
