// SPDX-License-Identifier: Apache-2.0
// The page of one evaluation.
const E = DATA.evaluation;
definitions = DATA.definitions;
function evaluation() {
  const names = tokenNames(E), saes = E.saes, main = h("main", {});
  main.append(h("h1", {}, DATA.title), h("p", { class: "muted path" }, counted(E.texts ?? E.images, names.unit) + " of " + E.source + "; run " + DATA.run + ", model " + E.model + (E.skipped ? "; " + whole(E.skipped) + " not decoded" : "")));
  for (const note of E.notes) main.append(h("p", { class: "note" }, note + "."));
  main.append(h("h2", {}, "SAEs"), table(["hook point", "SAE", "tokens", def("L0", "l0"), def("L0 " + names.first, "l0_grid"), def("L0 " + names.others, "l0_grid"), ...varianceHeads(), def("cosine", "cosine"), def("alive", "alive"), "dead", def("dense", "dense")],
    saes.map((s) => [s.hook_point, s.variant, s.selection, fixed(s.l0, 1), fixed(l0First(s), 1), fixed(l0Others(s), 1), ...varianceCells(s), fixed(s.cosine, 4), percent(s.alive_fraction), percent(s.dead_fraction), percent(s.dense_fraction)])),
    h("p", { class: "muted" }, "All over " + evaluatedOn(E) + ". " + DATA.published + "."));
  const overview = [frontier(saes, DATA.recommended, "Each point is an SAE."), l0ByLayer(saes, names, "Active features a token, by layer.")].filter(Boolean);
  if (overview.length) main.append(h("h2", {}, "Sparsity against reconstruction"), h("div", { class: "pair" }, overview));
  main.append(...zeroShot(saes, saes), ...legacyForms(saes, saes));
  main.append(h("h2", {}, "Where and how often features are active"), activity(saes, saes, names, (s) => counted(s.tokens, "token")));
  main.append(h("footer", {}, hint(), "All digits are in evaluation.json."));
  return main;
}
start(tail(DATA.run), [["", "Evaluation", evaluation], ["definitions", "Definitions", definitionsPage]]);
