// SPDX-License-Identifier: Apache-2.0
// What there is: the run's SAEs with their quality, a plot of all features, and images to begin with.
import { address, api, bytes, cardAddress, fault, fill, get, go, h, note, number, percent, picture, run, runNumber, state, term } from "./parts.js";
import { grid, histogram, scatter } from "./charts.js";

export async function overview(main, params) {
  const own = run();
  const evaluated = new Map((await get(api("evaluation"))).saes.map((one) => [one.folder, one]));
  const plot = h("div", {}), chosen = h("div", {}), measured = h("div", { class: "pair" });
  const choose = (name, options, value) => h("select", { "aria-label": name, onchange: draw }, options.map(([v, label]) => h("option", { value: v, selected: String(v) === String(value) }, label)));
  const columns = state.session.columns.filter((c) => c !== "id").map((c) => [c, c.replaceAll("_", " ")]);
  const sae = choose("SAE", own.saes.map((s) => [s.sae, "layer " + s.layer + ", " + s.variant]), params.get("sae") ?? own.saes.length - 1);
  const x = choose("to the right", columns, params.get("x") ?? "image_frequency");
  const y = choose("upwards", columns, params.get("y") ?? "auroc");
  async function draw() {
    fill(measured, measures(evaluated.get(own.saes[sae.value]?.name)));
    try {
      const answer = await get(api(`scatter?sae=${sae.value}&x=${x.value}&y=${y.value}`));
      const floats = (text) => new Float32Array(bytes(text).buffer);
      fill(plot, scatter(floats(answer.x), floats(answer.y), [x.value, y.value], (inside, ranges) => {
        // The table knows no steerability: a rectangle of it lists features by number.
        const sql = x.value !== "steerability" && y.value !== "steerability";
        if (sql) return go("features", { run: runNumber() || null, sae: sae.value, ranges: [x, y].map((axis, k) => `${axis.value}:${ranges[k][0]}:${ranges[k][1]}`).join(",") });
        fill(chosen, h("p", {}, `${inside.length} features: `, inside.slice(0, 200).map((id) => [h("a", { href: cardAddress({ sae: sae.value, id }) }, String(id)), " "])));
      }), chosen);
    } catch (e) {
      fill(plot, fault(e));
    }
  }
  fill(main,
    h("h1", {}, own.name),
    h("p", { class: "muted path" }, `${own.model}; features known by ${own.index.images} images of ${own.index.source}`),
    h("section", { "aria-labelledby": "begin" }, h("h2", { id: "begin" }, "Begin with an image"), imageChooser((id) => go("experiment", { run: runNumber() || null, image: id }), { label: params.get("label") }, (label) => note("overview", { run: runNumber() || null, label }))),
    h("section", { "aria-labelledby": "saes" }, h("h2", { id: "saes" }, "SAEs"), saeTable(own, evaluated), h("p", { class: "muted" }, evaluated.size ? `As clipsteer evaluate measured them on ${[...evaluated.values()][0].images} images` : "As measured at the end of the training, on tokens that were not trained on")),
    h("section", { "aria-labelledby": "all" }, h("h2", { id: "all" }, "All features of an SAE"),
      h("p", { class: "controls" }, sae, x, y), plot, measured));
  await draw();
}

/** Histogram of frequencies and L0 by token, where the run was evaluated. */
function measures(one) {
  if (!one) return h("p", { class: "muted" }, "clipsteer evaluate adds the histogram of frequencies, L0 by token and what is kept of zero-shot accuracy.");
  const cells = one.l0_grid?.flat() ?? [];
  return [
    h("figure", { class: "card" }, histogram(one.frequency_histogram.counts, "Features by frequency"), h("figcaption", {}, `Features by the logarithm of their `, term("frequency", "frequency"), `; ${one.frequency_histogram.never} were never active on ${one.images} images`)),
    cells.length ? h("figure", { class: "card" }, grid(cells, one.l0_grid[0].length, "L0 of each patch"), h("figcaption", {}, term("l0_grid", "L0 by token"), `: ${number(Math.min(...cells))} to ${number(Math.max(...cells))} on patches, ${number(one.l0_cls)} on CLS`)) : null];
}

/** Accuracy with the SAE in the residual's place, and without. */
function kept(one) {
  const zero = one?.zero_shot;
  return zero ? `${percent(zero.spliced.accuracy)} of ${percent(zero.original.accuracy)}` : "–";
}

function saeTable(own, evaluated) {
  const heads = ["Layer", "SAE", "Tokens", "Features", term("l0", "L0"), term("explained_variance", "Explained variance"), term("alive", "Alive"), term("zero_shot", "Zero-shot accuracy kept")];
  return h("div", { class: "card wide", tabindex: "0", role: "region", "aria-label": "SAEs" }, h("table", {},
    h("thead", {}, h("tr", {}, heads.map((t) => h("th", { scope: "col" }, t)))),
    h("tbody", {}, own.saes.map((s) => h("tr", {},
      h("th", { scope: "row" }, h("a", { href: address("features", { run: runNumber() || null, sae: s.sae }) }, "layer " + s.layer)),
      h("td", {}, s.variant), h("td", {}, s.tokens), h("td", {}, s.features), [evaluated.get(s.name) ?? s].map((m) => [h("td", {}, number(m.l0)), h("td", {}, percent(m.explained_variance)), h("td", {}, percent(m.alive_fraction))]), h("td", {}, kept(evaluated.get(s.name))))))));
}

/** Images of the set, by label and name; a click hands one over. */
export function imageChooser(use, chosen = {}, chose = () => {}) {
  const list = h("div", { class: "strip", role: "group", "aria-label": "Images" });
  const count = h("span", { class: "muted", role: "status" });
  let from = 0;
  const PAGE = 24;
  const label = h("select", { "aria-label": "Label", onchange: () => { chose(label.value); show(0); } }, h("option", { value: "" }, "all images"),
    Object.entries(state.session.factors).map(([factor, values]) => h("optgroup", { label: factor },
      Object.entries(values).map(([value, n]) => h("option", { value: `${factor}: ${value}`, selected: chosen.label === `${factor}: ${value}` }, `${factor}: ${value} (${n})`)))));
  const text = h("input", { type: "search", placeholder: "part of the name", "aria-label": "Part of the name", onchange: () => show(0) });
  const more = h("button", { type: "button", onclick: () => show(from + PAGE) }, "Next");
  const less = h("button", { type: "button", onclick: () => show(Math.max(0, from - PAGE)) }, "Previous");
  async function show(at) {
    from = at;
    try {
      const page = await get(`api/images?from=${from}&count=${PAGE}&label=${encodeURIComponent(label.value)}&text=${encodeURIComponent(text.value)}`);
      count.textContent = page.total ? ` ${from + 1} to ${from + page.images.length} of ${page.total} ` : " no image fits ";
      more.disabled = from + PAGE >= page.total;
      less.disabled = from === 0;
      fill(list, page.images.map((one) => h("button", { type: "button", class: "thumb", onclick: () => use(one.id), title: [one.name, ...one.labels].join("\n") },
        picture(one.id, one.labels.length ? one.labels.slice(0, 4).join(", ") : one.name))));
    } catch (e) {
      fill(list, fault(e));
    }
  }
  show(0);
  return h("div", {}, h("p", { class: "controls" }, label, text, count, less, more), list);
}
