// SPDX-License-Identifier: Apache-2.0
// The report's first page, and its start.
function overview() {
  const main = h("main", {}), e = D.evaluation, I = D.index;
  main.append(h("h1", {}, D.title), h("p", { class: "muted path" }, "run " + D.run + ", model " + I.model + ", images " + I.source));
  const missing = THUMBNAILS.missing.length;
  if (missing) main.append(h("p", { class: "note" }, counted(missing, "image") + " of this report can no longer be found where the index read them, and are grey."));
  for (const note of (e && e.notes) || []) main.append(h("p", { class: "note" }, note + "."));
  main.append(h("p", {}, "A sparse autoencoder (SAE) writes the residual stream of a layer as a sparse sum of directions, its features. This report says how well that works, and shows ",
    h("a", { href: "#/features" }, counted(FEATURES.length, "feature")), " with the images that activate them most."));
  const alive = SAES.reduce((a, s) => a + (s.alive_fraction || 0) * s.features, 0), all = SAES.reduce((a, s) => a + s.features, 0);
  main.append(h("div", { class: "tiles" }, tile("SAEs", "", whole(SAES.length)), tile("features", "", whole(all), "in all SAEs"),
    tile("alive", "alive", percent(alive / all), whole(alive) + " on the indexed images"), tile("indexed images", "", whole(I.images), I.vocabulary ? counted(I.vocabulary, "word") + " to name with" : null), tile("shown here", "", whole(FEATURES.length), selection())));
  if (D.edits.length) main.append(h("h2", {}, h("a", { href: "#/suppression" }, "Suppressed shortcuts")), suppressionSummary());
  main.append(h("h2", {}, "SAEs"), saeTable(e));
  sparsity(main, e);
  const evaluated = SAES.filter((s) => s.evaluation).map((s) => s.evaluation);
  main.append(...zeroShot(evaluated, SAES), ...legacyForms(evaluated, SAES));
  recipe(main);
  main.append(commands("train", "index", "evaluate", "report"));
  return main;
}
/** Figures over the indexed images beside those over the evaluation's, each under its own heading. */
function saeTable(e) {
  const heads = ["SAE", "features", def("L0", "l0"), def("L0 CLS", "l0_grid"), def("L0 patches", "l0_grid"), def("alive", "alive"), def("dense", "dense"), def("median monosemanticity", "monosemanticity")];
  const more = [def("L0", "l0"), def("dense", "dense"), ...varianceHeads(), def("cosine", "cosine"), def("CE recovered (mean ablation)", "ce_recovered")];
  const rows = SAES.map((s, i) => {
    const v = s.evaluation || {}, recovered = v.zero_shot && v.zero_shot.ce_recovered;
    return [h("a", { href: "#/features?sae=" + i }, saeName(s, SAES)), whole(s.features), fixed(s.l0, 1), fixed(s.l0_cls, 1), fixed(s.l0_patches, 1), percent(s.alive_fraction), percent(s.dense_fraction), fixed(s.median_monosemanticity, 3),
      ...(e ? [fixed(v.l0, 1), percent(v.dense_fraction), ...varianceCells(v), fixed(v.cosine, 4), recovered ? percent(recovered.mean_ablation) : "–"] : [])];
  });
  const groups = [["", 2], ["over the " + counted(D.index.images, "indexed image") + " of " + tail(D.index.source), heads.length - 2], ...(e ? [["over the evaluation's " + evaluatedOn(e), more.length]] : [])];
  return h("div", {}, table(e ? [...heads, ...more] : heads, rows, groups), e ? null : h("p", { class: "muted" }, "Explained variance, cosine and CE recovered are not measured yet: clipsteer evaluate adds them."));
}
function sparsity(main, e) {
  const names = tokenNames(e), indexed = counted(D.index.images, "indexed image");
  const evaluated = SAES.filter((s) => s.evaluation).map((s) => s.evaluation);
  const over = e ? "over the evaluation's " + evaluatedOn(e) : "";
  const box = [frontier(evaluated, D.recommended, "Each point is an SAE, " + over + "."), l0ByLayer(SAES, names, "Active features a token, by layer, over the " + indexed + ".")].filter(Boolean);
  if (box.length) main.append(h("h2", {}, "Sparsity against reconstruction"), h("div", { class: "pair" }, box));
  main.append(h("h2", {}, "Where and how often features are active"),
    activity(SAES.slice(0, 24).map((s) => ({ ...s, map_of: s.evaluation || {}, map_note: over })), SAES, names, () => "over the " + indexed));
}
function recipe(main) {
  const facts = Object.entries(D.recipe);
  if (!facts.length) return;
  main.append(h("h2", {}, "Recipe"), h("details", {}, h("summary", {}, "All settings of the training"), h("dl", { class: "facts card" }, facts.map(([k, v]) => [h("dt", {}, k), h("dd", {}, Array.isArray(v) ? v.join(", ") : String(v))]))));
}
/** Human evaluations; their features are linked where the report has them. */
function evaluations() {
  const main = h("main", {}, h("h1", {}, "Human evaluation"), h("p", {}, "People answered about features and controls without knowing which is which."), hint());
  for (const s of D.people) people(main, s, (u) => {
    const sae = SAES.findIndex((x) => x.folder === u.sae), f = FEATURES.find((x) => x.s === sae && x.id === u.number);
    return f ? h("a", { href: link(f) }, "layer " + u.layer + " #" + u.number) : null;
  });
  main.append(commands("report"));
  return main;
}

start(tail(D.run), [["", "Overview", overview], ["features", "Features", gallery], ...(D.steer ? [["steerability", "Steerability", steerability]] : []), ...(D.edits.length ? [["suppression", "Suppression", suppression]] : []), ...(D.studies.length ? [["selectivity", "Selectivity", selectivity]] : []), ...(D.people.length ? [["people", "Human evaluation", evaluations]] : []), ["definitions", "Definitions", definitionsPage]], (words, query) => {
  if (words[0] === "feature") return { part: "features", main: feature(Number(words[1]), Number(words[2])) };
  const sae = query.get("sae");
  if (sae !== null && SAES[sae]) { filters.sae = sae; filters.shown = PAGE; }
  if (query.get("q") !== null) { filters.text = query.get("q"); filters.shown = PAGE; }
  return null;
});
