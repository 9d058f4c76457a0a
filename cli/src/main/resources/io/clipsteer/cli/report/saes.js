// SPDX-License-Identifier: Apache-2.0
// Sparsity and reconstruction, as evaluation.json has them: for the evaluation and the report.

/** The tokens that an SAE's figures tell apart: of images, or of texts. */
const tokenNames = (e) => (e && "texts" in e ? { unit: "text", first: "end token", others: "other tokens", map: "L0 by position in the text" } : { unit: "image", first: "CLS", others: "patches", map: "L0 over the patch grid" });
const l0First = (s) => s.l0_cls ?? s.l0_end;
const l0Others = (s) => s.l0_patches ?? s.l0_others;
const l0Map = (s) => s.l0_grid || (s.l0_positions ? [s.l0_positions] : null);
/** The images or texts of an evaluation, as a table's heading says them. */
const evaluatedOn = (e) => counted(e.texts ?? e.images, tokenNames(e).unit) + " of " + tail(e.source);

function layerName(s) {
  return "layer " + s.layer + (String(s.hook_point).includes("mlp_out") ? " MLP" : "") + (s.selection === "all" ? "" : ", " + s.selection);
}
/** An SAE's layer, with its variant where the run has several kinds. */
function saeName(s, all) {
  const several = new Set(all.map((x) => x.variant)).size > 1;
  return layerName(s) + (several && s.variant ? ", " + s.variant : "");
}

/** Explained variance in all its forms, as columns of a table. */
const varianceHeads = () => [def("explained variance", "explained_variance"), def("per token", "token_variance"), def("median token", "token_variance"), def("ordinary", "ordinary"), def("variance of top 5 % tokens", "massive")];
function varianceCells(s) {
  const v = s.variance || {};
  return [fixed(s.explained_variance, 4), fixed(v.token_mean, 4), fixed(v.token_median, 4), fixed(v.ordinary, 4), percent(v.top_share)];
}

/** One point an SAE: the front of each hook point as a line, the recommended SAE in a ring. */
function frontier(saes, recommended, caption) {
  const known = saes.filter((s) => isNumber(s.explained_variance) && s.l0 > 0);
  if (known.length < 2) return null;
  const points = [...new Set(known.map((s) => s.hook_point))], l0s = known.map((s) => s.l0);
  const at = (s) => ({ x: s.l0, y: Math.max(0, s.explained_variance), sae: s });
  const wide = Math.max(...l0s) > 10 * Math.min(...l0s), worse = known.some((s) => s.explained_variance < 0);
  function sets() {
    const all = [];
    points.forEach((point, n) => {
      const own = known.filter((s) => s.hook_point === point).sort((a, b) => a.l0 - b.l0), front = [];
      for (const s of own) if (!front.length || s.explained_variance > front[front.length - 1].explained_variance) front.push(s);
      all.push(series(layerName(own[0]), n, front.map(at), { showLine: front.length > 1, pointRadius: 5, borderWidth: 1.5 }));
      const beaten = own.filter((s) => !front.includes(s));
      if (beaten.length) all.push(series(layerName(own[0]) + ", beaten", n, beaten.map(at), { showLine: false, pointRadius: 5, backgroundColor: "transparent" }));
      const best = own.length > 1 ? own.filter((s) => recommended.includes(s.folder)) : [];
      if (best.length) all.push({ label: "recommended by train", data: best.map(at), showLine: false, pointStyle: "circle", pointRadius: 10, borderWidth: 1.5, borderColor: colour("--ink"), backgroundColor: "transparent" });
    });
    return all;
  }
  const label = (i) => layerName(i.raw.sae) + ", " + i.raw.sae.variant + ": L0 " + fixed(i.raw.sae.l0, 1) + ", explained variance " + fixed(i.raw.sae.explained_variance, 4);
  const first = (item, data) => data.datasets.findIndex((d) => d.label === item.text) === item.datasetIndex;
  return chart(() => ({ type: "line", data: { datasets: sets() },
    options: { clip: 12, plugins: { legend: legend(false, first), tooltip: { callbacks: { title: () => "", label } } },
      scales: { x: wide ? logAxis("L0", l0s) : axis("L0", { type: "linear", grace: "10%" }), y: axis("explained variance", { grace: "10%", ...(worse ? { min: 0 } : {}) }) } } }),
    caption + " Up and to the left is better." + (worse ? " An SAE below 0 lies on the axis; its value shows when pointed at." : ""), { key: "explained_variance" });
}

/** L0 of CLS and patches by layer: an SAE a point, joined where every layer has one. */
function l0ByLayer(saes, names, caption) {
  const layers = [...new Set(saes.map((s) => s.layer))].sort((a, b) => a - b);
  if (layers.length < 2) return null;
  const one = layers.length === saes.length, sorted = [...saes].sort((a, b) => a.layer - b.layer);
  const set = (label, n, value, more) => series(label, n, sorted.filter((s) => isNumber(value(s))).map((s) => ({ x: s.layer, y: value(s) })), { showLine: one, ...more });
  return lines(() => [set(names.others, 0, l0Others), set(names.first, 1, l0First, { borderDash: [7, 4], pointRadius: 5, backgroundColor: "transparent" })], axis("layer", { type: "linear", ticks: { stepSize: 1, precision: 0 } }), axis("L0"), caption, { key: "l0" });
}

/** Where and how often the features of each SAE are active: a map and a histogram. */
function activity(saes, all, names, tokensOf) {
  const shown = saes.filter((s) => s.frequency_histogram.counts.some((n) => n > 0));
  const firsts = shown.map((s) => s.frequency_histogram.bins[s.frequency_histogram.counts.findIndex((n) => n > 0)]);
  const least = Math.floor(Math.min(-2, ...firsts));
  return h("div", { class: "pair saes" }, shown.map((s) => {
    const counts = s.frequency_histogram, grid = l0Map(s.map_of || s);
    return h("section", { class: "card sae" }, h("h3", {}, saeName(s, all)), h("p", { class: "muted" }, tokensOf(s) + "; " + whole(counts.never) + " of " + counted(s.features, "feature") + " never active"),
      h("div", { class: "side" }, grid ? l0Figure(grid, names, s.map_note) : null,
        histogram(counts.bins, counts.counts, "share of tokens on which a feature is active", "features", "Features by frequency.", { least, most: 0, limit: [-1, "dense"], key: "frequency" })));
  }));
}
function l0Figure(grid, names, note) {
  const flat = grid.flat().map(Number), low = Math.min(...flat), high = Math.max(...flat);
  const map = paint(h("canvas", { class: "map", role: "img", "aria-label": names.map }), flat.map((v) => (high > low ? (255 * (v - low)) / (high - low) : 128)), grid[0].length, grid.length);
  return h("figure", { class: "l0" }, map, high > low ? scale(fixed(low, 1), fixed(high, 1)) : null, h("figcaption", {}, def(names.map, "l0_grid"), high > low ? "" : ": " + fixed(high, 1) + " everywhere", note ? ", " + note : "", "."));
}

function zeroShot(saes, all) {
  const some = saes.filter((s) => s.zero_shot);
  if (!some.length) return [];
  const q = (v) => fixed(v.cross_entropy, 4) + " · " + percent(v.accuracy), first = some[0].zero_shot;
  return [h("h2", {}, def("Zero-shot classification", "zero_shot")), h("p", { class: "muted" }, counted(first.images, "image") + ", " + whole(first.classes) + (first.classes === 1 ? " class" : " classes") + ". Cross-entropy (CE) in nats and accuracy: with the original residual, with the SAE's reconstruction spliced in, and with the residual's mean or zero in its place."),
    table(["SAE", "original", "reconstruction", "mean ablation", "zero ablation", def("CE recovered (mean ablation)", "ce_recovered"), def("CE recovered (zero ablation)", "ce_recovered")], some.map((s) => { const z = s.zero_shot;
      return [saeName(s, all), q(z.original), q(z.spliced), q(z.mean_ablated), q(z.zero_ablated), percent(z.ce_recovered.mean_ablation), percent(z.ce_recovered.zero_ablation)]; }))];
}
function legacyForms(saes, all) {
  const some = saes.filter((s) => s.legacy);
  if (!some.length) return [];
  return [h("h2", {}, def("Legacy forms", "legacy")), h("p", { class: "muted" }, "As the paper's code computes them, for comparison with its tables: cosines without scale, zero ablation."),
    table(["SAE", "explained variance", "cosine", "CE original", "CE with reconstruction", "CE zero ablation", "CE recovered"], some.map((s) => { const l = s.legacy;
      return [saeName(s, all), fixed(l.explained_variance, 4), fixed(l.cosine, 4), fixed(l.cross_entropy, 4), fixed(l.cross_entropy_spliced, 4), fixed(l.cross_entropy_zero_ablated, 4), percent(l.ce_recovered)]; }))];
}
