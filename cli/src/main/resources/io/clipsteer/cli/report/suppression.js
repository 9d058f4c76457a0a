// SPDX-License-Identifier: Apache-2.0
// The report's part on suppressed shortcuts.

// A double holds nothing smaller.
const probability = (p) => (isNumber(p) ? (p === 0 ? "< 1e-300" : p < 0.001 ? p.toExponential(1) : p.toFixed(3)) : "–");
function suppressionSummary() {
  return table(["edit", def("worst group before", "wga"), def("after", "wga"), def("p", "mcnemar"), def("overall", "overall"), "ablated by edit"], D.edits.map((e) => { const R = e.report;
    return [e.name, percent(R.baseline_wga), percent(R.edited_wga), probability(R.mcnemar_p), percent(R.overall_before) + " → " + percent(R.overall_after), isNumber(R.layer) ? counted(R.features.length, "feature") + " of layer " + R.layer : "nothing: no edit helped"]; }));
}
function suppression() {
  const main = h("main", {}, h("h1", {}, "Suppressed shortcuts"), h("p", {}, "Features that go with a shortcut are ranked on training images; their number and layer are chosen on validation images; the chosen edit and the baselines, chosen in the same way, are evaluated once on test images. All figures below are over test images unless they say otherwise."));
  for (const e of D.edits) edit(main, e);
  main.append(commands("report"));
  return main;
}
function edit(main, e) {
  const R = e.report, s = SAES.findIndex((x) => x.folder === R.sae);
  main.append(h("h2", {}, e.name), h("p", { class: "muted path" }, R.data));
  if (!isNumber(R.layer)) main.append(h("p", { class: "note" }, "No setting within --max-clean-loss improves validation; nothing was edited."));
  else main.append(h("p", {}, counted(R.features.length, "feature") + " of layer " + R.layer + " (edit " + R.edit + ", on " + R.tokens + " tokens): ",
    R.features.map((id, i) => { const f = FEATURES.find((x) => x.s === s && x.id === id); return [i ? ", " : "", f ? h("a", { href: link(f) }, title(f) + " #" + id) : "#" + id]; })));
  main.append(h("div", { class: "tiles" }, tile("worst group before", "wga", percent(R.baseline_wga)), tile("after", "wga", percent(R.edited_wga), "95 %: " + percent(R.wga_low) + " to " + percent(R.wga_high)), tile("gain", "wga", fixed(100 * (R.edited_wga - R.baseline_wga), 1) + " points", "95 %: " + fixed(100 * R.gain_low, 1) + " to " + fixed(100 * R.gain_high, 1)),
    tile("p", "mcnemar", probability(R.mcnemar_p), R.worst_group), tile("overall", "overall", percent(R.overall_before) + " → " + percent(R.overall_after))));
  main.append(table(["test images", "n", "before", "after", "gained", "lost", "p"], R.groups.map((g) => [g.group, whole(g.n), range(g.before), range(g.after), whole(g.gained), whole(g.lost), probability(g.p)])));
  const names = ["no edit", "features", ...R.baselines.map((b) => b.name)], values = [R.baseline_wga, R.edited_wga, ...R.baselines.map((b) => b.wga)];
  const box = h("div", { class: "pair" }, lying(names, values, "accuracy of the worst group", "Worst group on test images: without an edit, with the features edited, and with the baselines.", { key: "baselines", x: { min: 0, max: 1 }, colours: [null, "--one"] }));
  const layers = [...new Set(R.sweep.map((x) => x.layer))].sort((a, b) => a - b);
  if (layers.length > 1) {
    const best = (l) => { const all = R.sweep.filter((x) => x.layer === l && isNumber(x.wga)).map((x) => x.wga); return all.length ? Math.max(...all) : null; };
    box.append(overLayers(layers, [{ label: "best setting", colour: "--one", values: layers.map(best) }], "worst group", "By layer: the best setting within --max-clean-loss on validation images; a gap where none helps.", { key: "sweep" }));
  }
  main.append(h("h3", { class: "gap" }, "Against the baselines"), box, table(["baseline", "worst group", "p", "overall", "layer", "size"], R.baselines.map((b) => [b.name, percent(b.wga), probability(b.p), percent(b.overall), whole(b.layer), whole(b.size)])));
  if (R.combined) main.append(h("h3", { class: "gap" }, "Beside Defense-Prefix"), h("p", {}, "Defense-Prefix changes the prompt instead of the image: a learnt token stands before each class name. Accuracy on the same test images:"),
    table(["defence", "nothing written", "a wrong word written", "p"], R.combined.map((c) => [c.name, range(c.clean), range(c.attacked), probability(c.p)])));
  if (R.defence && isNumber(R.defence.won_back)) main.append(h("p", {}, "The edit recovers " + percent(R.defence.won_back) + " of the accuracy that the writing costs."));
  if (e.command) main.append(h("footer", {}, h("span", {}, "made by"), h("code", {}, e.command)));
}
