// SPDX-License-Identifier: Apache-2.0
// The report's part on steerability.

/** Features, neurons and random directions; the last are outlined crosses above the others. */
const KINDS = [["features", "--one", null, "circle"], ["neurons", "--two", null, "triangle"], ["random", "--ink", [6, 4], "crossRot"]];
const KIND_NAMES = { features: "features", neurons: "neurons", random: "random directions" };
function steerability() {
  const main = h("main", {}), S = D.steer, box = h("div", { class: "pair" });
  main.append(h("h1", {}, "Steerability"), h("p", {}, "How far steering a unit changes the model's zero-shot probabilities over " + whole(S.words) + " words: SAE features, with neurons and random directions of equal length as controls. " + counted(S.images, "image") + " of " + tail(S.source) + ", strength " + S.strength + ", τ = " + S.tau + ".",
    S.screen ? [" ", def("Screening", "screen"), ": a unit whose S is clearly above or below τ is evaluated on fewer of these images; its page says on how many."] : null));
  const layers = [...new Set(S.layers.map((l) => l.layer))].sort((a, b) => a - b);
  const kinds = KINDS.filter(([k]) => S.layers.some((l) => l.unit === k));
  const row = (layer, kind) => S.layers.find((l) => l.layer === layer && l.unit === kind);
  // Dashed and drawn last: where random directions are as high as the features, both are seen.
  const curves = (key, ranges) => kinds.map(([k, colour, dash, point]) => ({ label: KIND_NAMES[k], colour, dash, point, order: k === "random" ? -1 : 0, values: layers.map((l) => (row(l, k) ? row(l, k)[key] : null)), ranges: ranges ? layers.map((l) => (row(l, k) ? [row(l, k).share_low, row(l, k).share_high] : null)) : null }));
  const first = S.layers.filter((l) => l.unit === "features").length > layers.length ? " Of several SAEs at a layer the first is shown." : "";
  box.append(overLayers(layers, curves("share_above_tau", true), "share with S above τ", "Share of units with S above τ, with 95 % intervals." + first, { key: "share", y: { min: 0, max: 1 } }),
    overLayers(layers, curves("coverage"), "words", "Coverage: distinct words that some steerable unit promotes most. It grows with the number of units." + first, { key: "coverage" }),
    overLayers(layers, curves("mean_s"), "mean S", "Mean steerability." + first, { key: "s" }), scatter());
  main.append(box, table(["layer", h("th", { scope: "col", class: "left" }, def("units", "units")), "n", def("mean S", "s"), def("unbiased", "unbiased"), def("above τ", "share"), def("95 %", "share"), def("coverage", "coverage")], S.layers.map((l) => [l.sae ? layerOf(l.layer, l.sae) : "layer " + l.layer, h("td", { class: "left" }, KIND_NAMES[l.unit] || l.unit), whole(l.n), fixed(l.mean_s, 4), fixed(l.mean_s_unbiased, 4), percent(l.share_above_tau), percent(l.share_low) + " to " + percent(l.share_high), whole(l.coverage)])));
  doses(main, S);
  vocabularies(main, S);
  findings(main, S);
  const best = FEATURES.filter((f) => f.steer).sort((a, b) => b.steer.s - a.steer.s).slice(0, 12);
  main.append(h("h2", {}, "Most steerable features of this report"), h("div", { class: "gallery" + (heat ? "" : " plain") }, best.map((f) => card(f))), commands("steerability", "report"));
  return main;
}
function doses(main, S) {
  const some = S.layers.filter((l) => l.dose);
  if (!some.length) return;
  // Zero has no place on a logarithmic axis.
  const medians = (l) => l.dose.medians.filter((m) => m.strength > 0), strengths = some.flatMap((l) => medians(l).map((m) => m.strength));
  main.append(h("h2", {}, def("Dose–response", "dose")), h("div", { class: "pair" },
    lines(() => some.map((l, i) => series(layerOf(l.layer, l.sae), i, medians(l).map((m) => ({ x: m.strength, y: m.change })))), logAxis("strength", strengths), axis("median change of P"), "Median change of the promoted word's probability, over the most steerable features of each SAE. Strength 0 is not shown.", { key: "dose" }),
    table(["layer", "features", "strength of half the effect", "95 %"], some.map((l) => [layerOf(l.layer, l.sae), whole(l.dose.features), fixed(l.dose.half_strength, 1), fixed(l.dose.half_strength_low, 1) + " to " + fixed(l.dose.half_strength_high, 1)]))));
}
function vocabularies(main, S) {
  if (!S.vocabularies || !S.vocabularies.length) return;
  main.append(h("h2", {}, def("Parts of the vocabulary", "vocabularies")), table(["layer", "units", "words", "sample", "mean S", "above τ", "coverage", "rank correlation with all words"],
    S.vocabularies.map((v) => [layerOf(v.layer, v.sae), KIND_NAMES[v.unit] || v.unit, whole(v.words), v.draw, fixed(v.mean_s, 4), percent(v.share_above_tau), whole(v.coverage), between(v.rank_correlation_with_whole, 2)])));
}
function findings(main, S) {
  const named = (S.names || []).filter((n) => n.first && n.among);
  if (named.length) main.append(h("h2", {}, def("Do features promote their names", "names_causal")), table(["layer", "steerable", "named", "top-1", "top-5", "increased", "chance"],
    named.map((n) => [layerOf(n.layer, n.sae), whole(n.steerable), whole(n.first.n), range(n.first), range(n.among), n.raised ? range(n.raised) : "–", n.raised ? percent(n.chance) : "–"])),
    h("p", { class: "muted" }, "Share of the named features whose name is the word promoted most, among the five promoted most, or made more probable; chance: the share of all words that these features make more probable."));
  if (S.locality && S.locality.length) main.append(h("h2", {}, def("Steerability vs. spatial extent", "locality")), table(["layer", "features", "rank correlation of S with the share of the grid that is active"],
    S.locality.map((l) => [layerOf(l.layer, l.sae), whole(l.features), between(l.correlation, 2)])));
}
function scatter() {
  const kinds = KINDS.filter(([k]) => D.points.some((p) => p.unit === k));
  const points = (k) => D.points.filter((p) => p.unit === k).flatMap((p) => p.values.filter((v) => v[0] > 0 && v[1] > 0).map((v) => ({ x: v[1], y: v[0], id: v[2], layer: p.layer })));
  const all = kinds.flatMap(([k]) => points(k));
  if (!all.length) return null;
  const set = ([k, c, dash, point]) => ({ label: KIND_NAMES[k], data: points(k), pointStyle: point, pointRadius: dash ? 2.5 : 2, borderWidth: dash ? 1 : 0, borderColor: colour(c) + (dash ? "80" : ""), backgroundColor: colour(c) + "90", order: dash ? -1 : 0 });
  return chart(() => ({ type: "scatter", data: { datasets: kinds.map(set) },
    options: { plugins: { legend: legend(false), tooltip: { callbacks: { label: (i) => i.dataset.label + " " + i.raw.id + ", layer " + i.raw.layer + ": S " + short(i.raw.y) + ", power " + short(i.raw.x) } } }, scales: { x: logAxis("power: largest mean change of a word's probability", all.map((p) => p.x)), y: logAxis("S", all.map((p) => p.y)) } } }), "S against power, at most 400 units a layer and kind.", { key: "power" });
}
