// SPDX-License-Identifier: Apache-2.0
// The report's part on suppressed shortcuts.

// A double holds nothing smaller.
const probability = (p) => (isNumber(p) ? (p === 0 ? "< 1e-300" : p < 0.001 ? p.toExponential(1) : p.toFixed(3)) : "–");
/** Holm 1979: each p times the number of tests that are left, never below an earlier one. */
function holm(ps) {
  const order = ps.map((p, i) => i).sort((a, b) => ps[a] - ps[b]), adjusted = [];
  let most = 0;
  order.forEach((i, rank) => { most = Math.max(most, Math.min(1, ps[i] * (ps.length - rank))); adjusted[i] = most; });
  return adjusted;
}
const signed = (points) => (points > 0 ? "+" : "") + fixed(points, 1);
function suppressionSummary() {
  const tests = D.edits.filter((e) => e.report.against), adjusted = holm(tests.map((e) => e.report.against.p));
  return table(["edit", def("worst group before", "wga"), def("after", "wga"), def("p of the group named", "mcnemar"), def("all images", "overall"), def("harm", "harm"), def("against the best baseline", "against"), "p (Holm)", "edited"], D.edits.map((e) => { const R = e.report, A = R.against;
    return [e.name, percent(R.baseline_wga), percent(R.edited_wga), probability(R.mcnemar_p) + " (" + R.worst_group + ")", percent(R.overall_before) + " → " + percent(R.overall_after), fixed(R.harm, 1) + " points", A ? signed(100 * A.difference) + " points: " + A.baseline : "–", A ? probability(adjusted[tests.indexOf(e)]) : "–", isNumber(R.layer) ? counted(R.features.length, "feature") + " of layer " + R.layer : "nothing: no edit helped"]; }));
}
function suppression() {
  const main = h("main", {}, h("h1", {}, "Suppressed shortcuts"), h("p", {}, "Features that go with a shortcut are ranked on training images; their number, layer and strength are chosen on validation images; the chosen edit and the baselines, chosen in the same way, are evaluated once on test images. All figures below are over test images unless they say otherwise."));
  for (const e of D.edits) edit(main, e);
  main.append(commands("report"));
  return main;
}
function edit(main, e) {
  const R = e.report, s = SAES.findIndex((x) => x.folder === R.sae);
  main.append(h("h2", {}, e.name), h("p", { class: "muted path" }, R.data));
  if (!isNumber(R.layer)) main.append(h("p", { class: "note" }, "No setting within --max-clean-loss improves validation; nothing was edited."));
  else main.append(h("p", {}, counted(R.features.length, "feature") + " of layer " + R.layer + " (edit " + R.edit + (R.reasons.some((x) => x.strength !== 1) ? ", each change times " + fixed(Math.min(...R.reasons.map((x) => x.strength)), 2) + " to " + fixed(Math.max(...R.reasons.map((x) => x.strength)), 2) : "") + ", on " + R.tokens + " tokens): ",
    R.features.map((id, i) => { const f = FEATURES.find((x) => x.s === s && x.id === id); return [i ? ", " : "", f ? h("a", { href: link(f) }, title(f) + " #" + id) : "#" + id]; })));
  if (R.stability) main.append(h("p", {}, "Of " + R.stability.samples + " bootstrap samples of the validation images, " + R.stability.same_sae + " select an edit of the same SAE, and " + R.stability.same_edit + " the same edit. ", def("Definition", "stability")));
  main.append(h("div", { class: "tiles" }, tile("worst group before", "wga", percent(R.baseline_wga)), tile("after", "wga", percent(R.edited_wga), "95 %: " + percent(R.wga_low) + " to " + percent(R.wga_high)), tile("gain", "wga", fixed(100 * (R.edited_wga - R.baseline_wga), 1) + " points", "95 %: " + fixed(100 * R.gain_low, 1) + " to " + fixed(100 * R.gain_high, 1)),
    tile("p", "mcnemar", probability(R.mcnemar_p), R.worst_group), tile("overall", "overall", percent(R.overall_before) + " → " + percent(R.overall_after))));
  main.append(table(["test images", "n", "before", "after", "gained", "lost", "p"], R.groups.map((g) => [g.group, whole(g.n), range(g.before), range(g.after), whole(g.gained), whole(g.lost), probability(g.p)])));
  const A = R.against;
  if (A) main.append(h("p", {}, "Against the best baseline, " + A.baseline + ", the features' worst group is " + signed(100 * A.difference) + " points (95 %: " + fixed(100 * A.low, 1) + " to " + fixed(100 * A.high, 1) + "; paired permutation test p " + probability(A.p) + "), and accuracy over all images " + signed(100 * A.overall) + " points. ", def("Definition", "against")));
  if ((R.reasons || []).length) main.append(h("details", {}, h("summary", {}, "Why each feature was taken"), table(["feature", "mean with the attribute", "mean without", "becomes", "change times", def("margin rises by", "reasons")], R.reasons.map((x) => ["#" + x.feature, short(x.mean_with), short(x.mean_without), short(x.value), fixed(x.strength, 2), signed(x.margin_rise) + " logits"]))));
  main.append(h("h3", { class: "gap" }, "Against the baselines"));
  const box = h("div", { class: "pair" }, groupBars(R), tradeOff(R));
  const layers = [...new Set(R.sweep.map((x) => x.layer))].sort((a, b) => a - b);
  if (layers.length > 1) {
    const best = (l) => { const all = R.sweep.filter((x) => x.layer === l && isNumber(x.wga)).map((x) => x.wga); return all.length ? Math.max(...all) : null; };
    box.append(overLayers(layers, [{ label: "best setting", colour: "--one", values: layers.map(best) }], "worst group", "By layer: the best setting within --max-clean-loss on validation images; a gap where none helps.", { key: "sweep" }));
  }
  main.append(box, table(["test images", "worst group", ...R.groups.map((g) => g.group), "p of " + R.worst_group, "all images", def("harm", "harm"), "layer", "size", "edit"], [
    ["no edit", percent(R.baseline_wga), ...R.groups.map((g) => percent(g.before.value)), "", percent(R.overall_before), "", "", "", ""],
    ["features", percent(R.edited_wga), ...R.groups.map((g) => percent(g.after.value)), probability(R.mcnemar_p), percent(R.overall_after), fixed(R.harm, 1), isNumber(R.layer) ? whole(R.layer) : "–", whole(R.features.length), R.edit],
    ...R.baselines.map((b) => [b.name, percent(b.wga), ...b.groups.map(percent), probability(b.p), percent(b.overall), fixed(b.harm, 1), whole(b.layer), whole(b.size), b.edit])]));
  if (R.combined) main.append(h("h3", { class: "gap" }, "Beside Defense-Prefix"), h("p", {}, "Defense-Prefix changes the prompt instead of the image: a learnt token stands before each class name. Accuracy on the same test images:"),
    table(["defence", "nothing written", "a wrong word written", "p"], R.combined.map((c) => [c.name, range(c.clean), range(c.attacked), probability(c.p)])));
  if (R.defence && isNumber(R.defence.won_back)) main.append(h("p", {}, "The edit recovers " + percent(R.defence.won_back) + " of the accuracy that the writing costs."));
  if (e.command) main.append(h("footer", {}, h("span", {}, "made by"), h("code", {}, e.command)));
}
/** Accuracy of every group, without an edit and with each, with Wilson's intervals. */
function groupBars(R) {
  const rows = R.groups.flatMap((g) => [[g.group + ", no edit", g.before, null], [g.group + ", features", g.after, "--one"]]);
  return lying(rows.map((r) => r[0]), rows.map((r) => r[1].value), "accuracy", "Every group on test images, before and after the edit, with 95 % intervals.", { key: "wga", x: { min: 0, max: 1 }, colours: rows.map((r) => r[2]), ranges: rows.map((r) => [r[1].low, r[1].high]) });
}
/** Worst group against all images, of every edit that was selected from, on validation images. */
function tradeOff(R) {
  const methods = [...new Set(R.tried.map((t) => t.method))];
  return chart(() => ({ type: "scatter", data: { datasets: methods.map((m, i) => series(m, i, R.tried.filter((t) => t.method === m).map((t) => ({ x: t.overall, y: t.wga, t })))) },
    options: { clip: 8, plugins: { legend: legend(false), tooltip: { callbacks: { label: (p) => { const t = p.raw.t; return t.method + ", layer " + t.layer + ", size " + t.size + ", " + t.edit + ": worst group " + percent(t.wga) + ", all images " + percent(t.overall) + (t.images ? ", of " + whole(t.images) + " images" : ""); } } } },
      scales: { x: axis("accuracy over all images"), y: axis("accuracy of the worst group") } } }), "Trade-off on validation images: every size, layer and strength of the features and of the baselines" + (R.screen ? ", those that could not be selected on fewer images." : "."), { key: R.screen ? "screened" : "tried" });
}
