// SPDX-License-Identifier: Apache-2.0
// The report's part on steerability.

/** Features, neurons and random directions; the last are outlined crosses above the others. */
const KINDS = [["features", "--one", null, "circle"], ["neurons", "--two", null, "triangle"], ["random", "--ink", [6, 4], "crossRot"]];
const KIND_NAMES = { features: "features", neurons: "neurons", random: "random directions" };
function steerability() {
  const main = h("main", {}), S = D.steer, box = h("div", { class: "pair" });
  main.append(h("h1", {}, "Steerability"), h("p", {}, "How far steering a unit changes the model's zero-shot probabilities over " + whole(S.words) + " words: SAE features, with neurons and random directions of equal length as controls. " + counted(S.images, "image") + " of " + tail(S.source) + ", τ = " + S.tau + ". Units are set to ", def("strengths", "strength"), " " + S.set.join(", ") + "; 1x is a unit's largest activation, and random directions move tokens as far as features. Norm is the length of edited tokens over that before, nearest their distance to real tokens over that before. Both are near 1 where the residuals still resemble real ones.",
    S.screen ? [" ", def("Screening", "screen"), ": a unit whose S is clearly above or below τ is evaluated on fewer of these images; its page says on how many."] : null));
  const layers = [...new Set(S.layers.map((l) => l.layer))].sort((a, b) => a - b);
  const kinds = KINDS.filter(([k]) => S.layers.some((l) => l.unit === k));
  const row = (layer, kind, set) => S.layers.find((l) => l.layer === layer && l.unit === kind && l.set === set);
  // Dashed and drawn last: where random directions are as high as the features, both are seen.
  const curves = (set, key, ranges) => kinds.map(([k, colour, dash, point]) => ({ label: KIND_NAMES[k], colour, dash, point, order: k === "random" ? -1 : 0, values: layers.map((l) => (row(l, k, set) ? row(l, k, set)[key] : null)), ranges: ranges ? layers.map((l) => (row(l, k, set) ? [row(l, k, set).share_low, row(l, k, set).share_high] : null)) : null }));
  const first = S.layers.filter((l) => l.unit === "features" && l.set === S.set[0]).length > layers.length ? " Of several SAEs at a layer the first is shown." : "";
  for (const set of S.set) {
    const at = " Set to " + set + ".";
    box.append(overLayers(layers, curves(set, "share_above_tau", true), "share with S above τ", "Share of units with unbiased S above τ, with 95 % intervals." + at + first, { key: "share", y: { min: 0, max: 1 } }),
      overLayers(layers, curves(set, "mean_s_unbiased"), "mean S", "Mean unbiased S." + at + first, { key: "unbiased" }));
  }
  const plot = scatter();
  if (plot) box.append(plot);
  verdicts(main, S);
  main.append(box, table([def("set to", "strength"), "layer", h("th", { scope: "col", class: "left" }, def("units", "units")), "n", def("mean S", "s"), def("unbiased", "unbiased"), def("above τ", "share"), def("95 %", "share"), def("coverage", "coverage"), def("norm", "dose"), def("nearest", "dose")], S.set.flatMap((set) => S.layers.filter((l) => l.set === set)).map((l) => [String(l.set), l.sae ? layerOf(l.layer, l.sae) : "layer " + l.layer, h("td", { class: "left" }, KIND_NAMES[l.unit] || l.unit), whole(l.n), fixed(l.mean_s, 5), fixed(l.mean_s_unbiased, 5), percent(l.share_above_tau), percent(l.share_low) + " to " + percent(l.share_high), whole(l.coverage), fixed(l.norm, 2), fixed(l.nearest, 2)])));
  doses(main, S);
  vocabularies(main, S);
  findings(main, S);
  const best = FEATURES.filter((f) => f.steer).sort((a, b) => b.steer.s - a.steer.s).slice(0, 12);
  main.append(h("h2", {}, "Most steerable features of this report"), h("div", { class: "gallery" + (heat ? "" : " plain") }, best.map((f) => card(f))), commands("steerability", "report"));
  return main;
}
/** Whether features steer more than the baselines, in words. */
function verdicts(main, S) {
  const all = S.comparisons || [], less = all.filter((c) => !c.features_steer_more);
  if (!all.length) return;
  main.append(h("p", {}, "Features steer more than neurons or random directions in " + (all.length - less.length) + " of " + all.length + " ", def("comparisons", "comparisons"), " of the mean unbiased S (p at most 0.05 by Holm)." + (less.length ? " They do not:" : "")));
  if (less.length) main.append(h("ul", {}, less.map((c) => h("li", {}, layerOf(c.layer, c.sae) + ", set to " + c.set + ": not more than " + KIND_NAMES[c.baseline] + " (mean S " + fixed(c.mean_features, 5) + " and " + fixed(c.mean_baseline, 5) + ", difference " + fixed(c.difference, 5) + ", " + fixed(c.low, 5) + " to " + fixed(c.high, 5) + ", p " + short(c.p_holm) + ")."))));
}
function doses(main, S) {
  const some = S.layers.filter((l) => l.dose);
  if (!some.length) return;
  // Zero has no place on a logarithmic axis.
  const medians = (l) => l.dose.medians.filter((m) => m.strength > 0), strengths = some.flatMap((l) => medians(l).map((m) => m.strength));
  main.append(h("h2", {}, def("Dose–response", "dose")), h("div", { class: "pair" },
    lines(() => some.map((l, i) => series(layerOf(l.layer, l.sae), i, medians(l).map((m) => ({ x: m.strength, y: m.change })))), logAxis(some[0].dose.own_units ? "strength, times the largest activation" : "strength", strengths), axis("median change of P"), "Median change of the promoted word's probability, over the most steerable features of each SAE. Strength 0 is not shown.", { key: "dose" }),
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
