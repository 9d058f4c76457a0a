// SPDX-License-Identifier: Apache-2.0
// The report's data, its gallery of features, and a feature's own page.
const D = { ...DATA.head, ...DATA.findings };
definitions = D.definitions;
const SAES = D.saes.map((s) => ({ ...s.group, ...s.statistics, folder: s.group.sae, selection: s.group.tokens, features: s.group.units, variant: s.variant, frequency_histogram: s.frequency_histogram, evaluation: s.evaluation }));
const FEATURES = DATA.features.map((f) => ({ ...f.statistics, id: f.feature.id, reasons: f.feature.reasons, s: f.sae, exemplars: f.exemplars, names: f.names, labels: f.labels, neighbours: f.neighbours, steer: f.steerability }));
const THUMBNAILS = DATA.thumbnails;
const PAGE = 40;
const REASONS = { edit: "changed by an edit", monosemantic: "monosemanticity from " + fixed(D.clear_monosemanticity, 2), steerable: "unbiased S above " + (D.steer ? D.steer.tau : "τ"), sample: "random sample" };
let heat = true;
const filters = { text: "", sae: "", reason: "", rate: "", sort: "order", shown: PAGE };
const title = (f) => f.name || "feature " + f.id;
/** What is known of a feature's name, in parts: a name is a hypothesis. */
function nameParts(f) {
  if (!D.index.vocabulary) return [];
  const parts = f.name ? ["name score " + fixed(f.name_score, 2) + ", margin " + fixed(f.name_margin, 2)] : ["no clear name"];
  if (f.name && f.name_change < 0) parts.push("steering lowers this name");
  if (!f.name && f.labels[0] && f.labels[0].auroc >= 0.9) parts.push("label " + f.labels[0].label + ", AUROC " + fixed(f.labels[0].auroc, 2));
  if (f.steered && f.steered !== f.name) parts.push("steering raises " + f.steered + " by " + fixed(f.steered_change, 2));
  return parts;
}
const link = (f) => "#/feature/" + f.s + "/" + f.id;
/** A layer, with the SAE's folder where the layer has several. */
const layerTitle = (s) => layerName(s) + (SAES.filter((x) => x.layer === s.layer).length > 1 ? ", " + s.folder.split("/").pop() : "");
/** The same by the SAE's folder, as the results of other commands name it. */
function layerOf(layer, folder) {
  const sae = SAES.find((s) => s.folder === folder);
  return sae ? layerTitle(sae) : "layer " + layer;
}
function commands(...keys) {
  const texts = { train: "trained by", index: "features measured by", evaluate: "reconstruction measured by", steerability: "steerability measured by", report: "this page made by" };
  return h("footer", {}, keys.filter((k) => D.commands[k]).map((k) => [h("span", {}, texts[k]), h("code", {}, D.commands[k])]), hint());
}

// ---- images ------------------------------------------------------------------------------------
function image(f, top) {
  const sae = SAES[f.s], box = h("span", { class: "image" });
  box.style.setProperty("--ratio", THUMBNAILS.width + " / " + THUMBNAILS.height);
  if (top.thumbnail >= 0) box.append(h("img", { src: "data:image/jpeg;base64," + THUMBNAILS.jpegs[top.thumbnail], alt: top.image, title: top.image, decoding: "async" }));
  else box.append(h("span", {}, "no image"));
  if (top.map) box.append(veil(h("canvas", { "aria-hidden": "true" }), bytes(top.map), sae.columns, sae.rows));
  return box;
}
function heatButton(on) {
  const b = h("button", { class: "button", type: "button", id: "heat", "aria-pressed": String(heat), onclick: () => {
    heat = !heat; b.setAttribute("aria-pressed", String(heat)); on.classList.toggle("plain", !heat);
  } }, "Activation maps");
  on.classList.toggle("plain", !heat);
  return b;
}

// ---- search ------------------------------------------------------------------------------------
/** What a search looks through, best first: [rank, text, what a card says of the match]. */
const FIELDS = FEATURES.map((f) => [
  [100, String(f.id), null],
  ...(f.name ? [[90, f.name, "name " + f.name]] : []),
  ...(f.steered ? [[55, f.steered, "steering raises " + f.steered]] : []),
  ...f.labels.filter((l) => l.auroc >= 0.8).map((l) => [60 + 20 * (l.auroc - 0.8), l.label, "label " + l.label + ", AUROC " + fixed(l.auroc, 2)]),
  ...f.names.map((n) => [50, n.word, "candidate name " + n.word]),
  ...(f.steer ? f.steer.promoted.split("; ").filter(Boolean).map((w) => [40, w.slice(0, w.lastIndexOf(" ")), "promotes " + w.slice(0, w.lastIndexOf(" "))]) : []),
  ...f.exemplars.map((t) => [20, t.image, "image " + t.image]),
  [10, saeName(SAES[f.s], SAES), null],
].map(([rank, text, reason]) => [rank, text.toLowerCase(), reason]));
/** How well a feature matches all words, and why; null where one is missing. */
function match(i, words) {
  let score = 0;
  const why = [];
  for (const word of words) {
    let best = null;
    for (const [rank, text, reason] of FIELDS[i]) {
      if (!text.includes(word)) continue;
      // A whole text counts more than a whole word, and that more than a part of one.
      const fit = text === word ? 1 : text.split(/[^\p{L}\p{N}]+/u).includes(word) ? 0.9 : 0.6;
      if (!best || rank * fit > best[0]) best = [rank * fit, reason];
    }
    if (!best) return null;
    score += best[0];
    if (best[1] && !why.includes(best[1])) why.push(best[1]);
  }
  return { score, why: why.join("; ") };
}
const SORTS = {
  order: ["as selected", null], mono: ["monosemanticity", (f) => -(f.monosemanticity ?? -9)], frequent: ["most frequent", (f) => -f.frequency], rare: ["rarest", (f) => f.frequency],
  max: ["max activation", (f) => -f.max], name: ["name score", (f) => -(f.name_score ?? -9)], label: ["best AUROC", (f) => -(f.labels[0] ? f.labels[0].auroc : 0)], s: ["steerability", (f) => -(f.steer ? f.steer.s : -1)],
};
const RATES = { "": ["any", 0, 1], rare: ["below 0.1 %", 0, 0.001], some: ["0.1 to 1 %", 0.001, 0.01], often: ["1 to 10 %", 0.01, 0.1], dense: ["above 10 %", 0.1, 1] };
/** [feature, match], best match first unless another order is chosen. */
function matching() {
  const words = filters.text.toLowerCase().split(/\s+/).filter(Boolean), rate = RATES[filters.rate];
  const all = FEATURES.map((f, i) => [f, (filters.sae === "" || f.s === Number(filters.sae)) && (!filters.reason || f.reasons.includes(filters.reason)) && f.frequency >= rate[1] && f.frequency <= rate[2] ? match(i, words) : null]).filter(([, m]) => m);
  const by = SORTS[filters.sort][1];
  if (by) all.sort((a, b) => by(a[0]) - by(b[0]));
  else if (words.length) all.sort((a, b) => b[1].score - a[1].score);
  return all;
}

// ---- gallery -----------------------------------------------------------------------------------
function card(f, why) {
  const small = [layerTitle(SAES[f.s]) + " · #" + f.id, "active on " + percent(f.frequency) + " of tokens", "monosemanticity " + fixed(f.monosemanticity, 2)];
  if (f.steer) small.push("S " + fixed(f.steer.s, 2) + " → " + (f.steer.promoted.split("; ")[0] || "–").replace(/\d+\.\d+$/, (v) => fixed(Number(v), 2)));
  return h("a", { class: "card feature", href: link(f) }, f.exemplars.length ? h("span", { class: "strip" }, f.exemplars.slice(0, 4).map((t) => image(f, t))) : null,
    h("span", { class: "word" }, title(f)), nameParts(f).map((part) => h("small", {}, part)), why ? h("small", { class: "match" }, "match: " + why) : null, small.map((s) => h("small", {}, s)), f.reasons.map((r) => h("span", { class: "tag" }, REASONS[r] || r)));
}
function select(label, key, options, again) {
  return h("label", {}, label, h("select", { id: "filter-" + key, onchange: (e) => { filters[key] = e.target.value; filters.shown = PAGE; again(); } }, options.map(([v, text]) => h("option", { value: v, selected: String(filters[key]) === String(v) }, text))));
}
/** How many features are shown, and how they were selected. */
function selection() {
  const added = FEATURES.filter((f) => f.reasons.length === 1 && f.reasons[0] === "edit").length;
  return counted(FEATURES.length - added, "feature") + " selected of " + whole(SAES.reduce((a, s) => a + s.features, 0)) + (added ? ", and " + whole(added) + " more that an edit changes" : "");
}
function gallery() {
  const main = h("main", {}), grid = h("div", { class: "gallery", id: "gallery" }), count = h("p", { class: "muted", id: "count", "aria-live": "polite" }), more = h("button", { class: "button", type: "button", onclick: () => { filters.shown += PAGE; fill(); } }, "Show more");
  function fill() {
    const all = matching();
    count.textContent = counted(all.length, "feature") + (all.length ? "" : ": nothing matches; remove a filter") + (filters.text.trim() && filters.sort === "order" && all.length > 1 ? ", best match first" : "");
    grid.replaceChildren(...all.slice(0, filters.shown).map(([f, m]) => card(f, m.why)));
    more.hidden = all.length <= filters.shown;
  }
  const reasons = Object.keys(REASONS).filter((w) => FEATURES.some((f) => f.reasons.includes(w)));
  const sorts = Object.entries(SORTS).filter(([k]) => (k !== "s" || D.steer) && (k !== "label" || FEATURES.some((f) => f.labels.length)) && (k !== "name" || D.index.vocabulary));
  main.append(h("h1", {}, "Features"), h("p", { class: "muted" }, selection() + ". Selected of each SAE: top by ", def("monosemanticity", "monosemanticity"), D.steer ? [", top by ", def("steerability", "s"), ","] : "", " both beyond an absolute bound, and a random sample to avoid cherry-picking. Each card gives ", def("frequency", "frequency"), D.steer ? [", ", def("monosemanticity", "monosemanticity"), ", and steerability with the ", def("word promoted most", "promoted")] : [" and ", def("monosemanticity", "monosemanticity")], ". " + measuredOn(Boolean(D.steer)) + ". Activation maps leave an image clear where the feature is active:"), h("p", {}, scale("0", "max activation of the feature", "", true)));
  main.append(h("div", { class: "filters" }, h("label", { class: "search" }, "Search names, labels, files, numbers", h("input", { id: "search", type: "search", value: filters.text, placeholder: "dog", oninput: (e) => { filters.text = e.target.value; filters.shown = PAGE; fill(); } })),
    select("SAE", "sae", [["", "all"], ...SAES.map((s, i) => [i, saeName(s, SAES)])], fill), select("Selected as", "reason", [["", "any"], ...reasons.map((w) => [w, REASONS[w]])], fill),
    select("Active on", "rate", Object.entries(RATES).map(([k, v]) => [k, v[0] + (k ? " of tokens" : "")]), fill), select("Order", "sort", sorts.map(([k, v]) => [k, v[0]]), fill), heatButton(grid)), count, grid, h("p", {}, more), commands("index", "report"));
  fill();
  return main;
}

// ---- a feature ---------------------------------------------------------------------------------
function moved(text, sign) {
  return (text || "").split("; ").filter(Boolean).map((w) => { const cut = w.lastIndexOf(" "); return [w.slice(0, cut), Number(w.slice(cut + 1))]; })
    .map(([word, by]) => [h("td", { class: "wrap" }, word), h("td", { class: sign }, (sign === "up" ? "+" : "−") + fixed(Math.abs(by), 3))]);
}
/** Which images the figures of features are over: S is not over those of the index. */
function measuredOn(steered) {
  const index = "Over the " + counted(D.index.images, "image") + " of " + tail(D.index.source) + " that the index read";
  return steered ? index + "; S over " + counted(D.steer.images, "image") + " of " + tail(D.steer.source) + " in the steerability study" : index;
}
function feature(s, id) {
  const f = FEATURES.find((x) => x.s === s && x.id === id);
  if (!f) return h("main", {}, h("h1", {}, "No such feature here"), h("p", {}, h("a", { href: "#/features" }, "To the gallery")));
  const sae = SAES[s], all = matching().map((x) => x[0]), at = all.indexOf(f), main = h("main", {}), images = h("div", { class: "exemplars" });
  const step = (n, text) => (at >= 0 && all[at + n] ? h("a", { class: "button", href: link(all[at + n]) }, text) : null);
  main.append(h("div", { class: "bar" }, h("a", { class: "button", href: "#/features" }, "Gallery"), step(-1, "‹ Previous"), step(1, "Next ›"), heatButton(images)));
  main.append(h("h1", {}, title(f)), h("p", { class: "muted path" }, "Feature " + f.id + " of " + layerTitle(sae) + " (" + sae.folder + ") ", f.reasons.map((w) => h("span", { class: "tag" }, REASONS[w] || w))));
  main.append(h("div", { class: "tiles" }, tile("active on", "frequency", percent(f.frequency), "of tokens"), tile("images", "frequency", percent(f.image_frequency), whole(f.images) + " of " + whole(D.index.images)), tile("monosemanticity", "monosemanticity", fixed(f.monosemanticity, 3)),
    tile("max activation", "max", short(f.max), "mean when active " + short(f.mean_active)), isNumber(f.cls_share) ? tile("share of activation on CLS", "cls_share", percent(f.cls_share)) : null, f.steer ? tile("S at " + f.steer.set, "s", fixed(f.steer.s, 3), "95 %: " + fixed(f.steer.low, 3) + " to " + fixed(f.steer.high, 3)) : null));
  main.append(h("p", { class: "muted" }, measuredOn(Boolean(f.steer)) + "."));
  if (f.exemplars.length) {
    images.append(...f.exemplars.map((t) => h("figure", {}, image(f, t), h("figcaption", {}, h("b", {}, short(t.max)), " ", t.image))));
    main.append(h("h2", {}, "Top images"), images, h("p", { class: "muted" }, "Max activation is given under each image. Activation maps have one scale for all images of the feature; point at an image to see it without its map."), h("p", {}, scale("0", short(f.max), "activation of the patch", true)));
  }
  main.append(h("div", { class: "pair" }, namesOf(f), labelsOf(f), steeringOf(f), neighboursOf(f)));
  main.append(...figures(f, sae));
  const tries = [D.commands.search + " --sae " + sae.folder + " --feature " + f.id];
  const twins = SAES.filter((x) => x.layer === sae.layer).length > 1;
  tries.push(D.commands.steer + " --image FILE --feature " + sae.layer + ":" + f.id + (twins ? " --sae " + sae.folder.split("/").pop() : "") + " --set 2x " + D.commands.words);
  main.append(h("h2", {}, "Try it"), ...tries.map((t) => h("code", { class: "command" }, t)), commands("index", "steerability", "report"));
  return main;
}
function namesOf(f) {
  if (!f.names.length) return null;
  const of = (method, head, cells) => { const own = f.names.filter((n) => n.method === method); return own.length ? table(head, own.map((n) => [h("td", { class: "wrap" }, n.word), ...cells(n)])) : null; };
  return h("section", {}, h("h2", {}, def("Names", "names")), h("p", {}, (f.name ? f.name + ": " : "") + nameParts(f).join("; ") + "."),
    of("images", ["word by images", "score", "margin", def("z of words", "names_null"), def("z of shuffled images", "names_null"), def("change of P", "names_change")], (n) => [fixed(n.score, 2), fixed(n.margin, 2), fixed(n.words_z, 1), fixed(n.images_z, 1), fixed(n.change, 3)]),
    of("steering", ["word by steering", def("change of P", "names_change"), "margin", def("z of words", "names_null")], (n) => [fixed(n.change, 3), fixed(n.margin, 3), fixed(n.words_z, 1)]),
    h("p", { class: "muted" }, "On the " + counted(D.index.images, "image") + " of the index. A name is a hypothesis: a feature without a clear first word has none."));
}
function labelsOf(f) {
  if (!f.labels.length) return null;
  return h("section", {}, h("h2", {}, "Labels"), table(["label", def("AUROC", "auroc"), "95 %", "images"], f.labels.map((l) => [h("td", { class: "wrap" }, l.label), fixed(l.auroc, 3), fixed(l.auroc_low, 2) + " to " + fixed(l.auroc_high, 2), whole(l.positives)])), h("p", { class: "muted" }, "Over the labelled images of the index; labels that fewer than ten of them have, or lack, are not ranked." + (D.index.label_columns.length ? " Ignored columns: " + D.index.label_columns.map((c) => c.column + " (" + c.kind + (c.same_as ? " of " + c.same_as : "") + ")").join(", ") + "." : "") + " Maximum over labels, so optimistically biased; re-estimate on held-out images."));
}
function steeringOf(f) {
  if (!f.steer) return null;
  const S = D.steer, all = f.steer.images === S.images;
  return h("section", {}, h("h2", {}, def("Steering", "s")), table(["word", def("change of P", "power")], [...moved(f.steer.promoted, "up"), ...moved(f.steer.suppressed, "down")]),
    table([def("set to", "strength"), "S", def("unbiased", "unbiased"), def("semantic", "semantic"), def("95 %", "interval")], [f.steer, ...f.steer.more].map((u) => [u.set, fixed(u.s, 4), fixed(u.unbiased, 4), fixed(u.semantic, 4), fixed(u.low, 4) + " to " + fixed(u.high, 4)])),
    h("p", { class: "muted" }, "Words when set to " + f.steer.set + ". Evaluated on " + (all ? "" : whole(f.steer.images) + " of ") + "the " + counted(S.images, "image") + " of the steerability study",
      all ? "." : [": ", def("screening", "screen"), " stopped there, since S is clearly on one side of τ = " + S.tau + "."]));
}
function neighboursOf(f) {
  if (!f.neighbours.length) return null;
  return h("section", {}, h("h2", {}, def("Nearest features (decoder cosine)", "search")), table(["feature", "cosine"], f.neighbours.map((n) => { const shown = FEATURES.some((x) => x.s === f.s && x.id === n.id), text = (n.name || "feature") + " #" + n.id;
    return [h("td", { class: "wrap" }, shown ? h("a", { href: "#/feature/" + f.s + "/" + n.id }, text) : text), fixed(n.cosine, 3)]; })), h("p", { class: "muted" }, "Among all features of the SAE; linked where shown in this report."));
}
function figures(f, sae) {
  const box = h("div", { class: "pair" });
  if (f.histogram && f.histogram.some((n) => n > 0)) {
    const edges = Array.from({ length: f.histogram.length + 1 }, (_, b) => (b / 2 - 10) * Math.log10(2));
    box.append(histogram(edges, f.histogram, "activation", "tokens", "Tokens by activation, in half octaves.", { key: "histogram" }));
  }
  if (f.positions && sae.columns > 0) box.append(h("figure", { class: "card" }, paint(h("canvas", { class: "map" }), bytes(f.positions), sae.columns, sae.rows), scale("0", short(f.positions_max)), h("figcaption", {}, def("Mean activation by position", "positions"), " in the patch grid.")));
  return box.childElementCount ? [h("h2", {}, "Distribution of activations"), box] : [];
}
