// SPDX-License-Identifier: Apache-2.0
// Human evaluation: what annotators saw in features and in the controls.

const UNIT_KINDS = { feature: "trained features", neuron: "neurons", direction: "random directions", untrained: "untrained SAE", random_sheet: "random sheets" };
const PEOPLE_TASKS = { naming: "Naming", "2afc": "2AFC", intruder: "Intruder", verification: "Verification" };
const UNDEFINED = "not defined";
/** A mean over units with its interval. */
const overUnits = (m) => (!m || !isNumber(m.value) ? UNDEFINED : m.interval ? range({ value: m.value, ...m.interval }) : percent(m.value) + " (interval not defined)");
const points = (m) => (!m ? "" : !isNumber(m.value) ? UNDEFINED : pointsOf(m.value) + (m.interval ? " (" + pointsOf(m.interval.low) + " to " + pointsOf(m.interval.high) + ")" : " (interval not defined)"));
const pointsOf = (v) => (v > 0 ? "+" : "") + fixed(100 * v, 1);
const defined = (v, digits) => (isNumber(v) ? fixed(v, digits) : UNDEFINED);

/**
 * @param main to which the parts are added
 * @param s name, report, and the command that made the plan, if known
 * @param linked makes a link to a trained feature of the report, or null
 */
function people(main, s, linked) {
  const R = s.report, P = R.plan, counting = R.annotators.filter((a) => !a.excluded);
  main.append(h("h2", {}, s.name), h("p", { class: "muted path" }, "plan " + P.hash + ", seed " + P.seed + ", run " + P.run + ", " + counted(P.images, "image") + " of " + P.source));
  main.append(h("p", {}, Object.entries(P.units).map(([kind, n]) => whole(n) + " " + (n === 1 ? { feature: "trained feature", neuron: "neuron", direction: "random direction", untrained: "feature of an untrained SAE", random_sheet: "random sheet" }[kind] : UNIT_KINDS[kind])).join(", ") + ". ",
    def("Tasks", "evaluation_tasks"), " ", def("Controls", "people_controls")));
  annotators(main, R, counting.length);
  if (!R.results.length && !R.one_idea.length) { main.append(h("p", { class: "note" }, "No answer counts yet.")); return; }
  const groups = [...new Set(R.results.map((r) => r.task + (r.hard ? " hard" : "")))].map((key) => R.results.filter((r) => r.task + (r.hard ? " hard" : "") === key));
  const box = h("div", { class: "pair" }), rows = [];
  for (const own of groups) {
    const name = PEOPLE_TASKS[own[0].task] + (own[0].hard ? ", hard" : "");
    box.append(bars(own.map((r) => [UNIT_KINDS[r.kind], r.accuracy]), name + ": accuracy", name + ": accuracy by kind of unit, with 95 % intervals over units.", own[0].chance));
    for (const r of own) rows.push([name + ", " + UNIT_KINDS[r.kind], whole(r.accuracy.features), whole(r.answers), percent(r.chance), overUnits(r.accuracy), points(r.difference)]);
  }
  if (R.one_idea.length) {
    box.append(bars(R.one_idea.map((r) => [UNIT_KINDS[r.kind], r.share]), "share of sheets with one idea", "Naming: share of sheets in which annotators see one idea, with 95 % intervals over units."));
    for (const r of R.one_idea) rows.push(["One idea, " + UNIT_KINDS[r.kind], whole(r.share.features), "", "", overUnits(r.share), points(r.difference)]);
  }
  main.append(h("h3", { class: "gap" }, "Features against controls"), h("p", {}, "A difference whose interval holds 0 is no finding, and no finding is not equality."), box,
    table(["task and kind of unit", "units", "answers", "chance", def("mean (95 %)", "people_accuracy"), def("features less this, points", "people_controls")], rows));
  parts(main, R.by_layer, "By layer", "layer", (p) => String(p));
  parts(main, R.by_stratum, "By frequency", "quarter of frequency", (p) => ["rarest", "second", "third", "most frequent"][p] || String(p));
  agreement(main, R, counting.length);
  scores(main, R);
  units(main, R, linked);
  if (s.command) main.append(h("footer", {}, h("span", {}, "planned by"), h("code", {}, s.command)));
}
function annotators(main, R, n) {
  const excluded = R.annotators.length - n;
  main.append(h("p", {}, counted(n, "annotator") + (n === 1 ? " counts" : " count") + (excluded ? ", " + whole(excluded) + (excluded === 1 ? " does" : " do") + " not" : "") + ": 80 % of the catch trials right and a median answer of a second or more."),
    R.annotators.length ? table(["annotator", "answers", "catch trials right", "median answer", "naming with heat maps", "counts"],
      R.annotators.map((a) => [a.annotator, whole(a.answers), percent(a.caught), isNumber(a.median_ms) ? fixed(a.median_ms / 1000, 1) + " s" : "–", percent(a.heat_maps), a.excluded ? "no: " + a.excluded : "yes"])) : null);
}
function bars(rows, x, caption, chance) {
  return lying(rows.map((r) => r[0]), rows.map((r) => r[1].value), x, caption, { key: "people_accuracy", x: { min: 0, max: 1 }, colours: rows.map((r) => (r[0] === UNIT_KINDS.feature ? "--one" : null)),
    ranges: rows.map((r) => r[1].interval && [r[1].interval.low, r[1].interval.high]), limit: isNumber(chance) ? [chance, "chance"] : null });
}
function parts(main, all, title, what, named) {
  const values = [...new Set(all.map((p) => p.part))].sort((a, b) => a - b), tasks = [...new Set(all.map((p) => p.task))];
  if (values.length < 2) return;
  main.append(h("h3", { class: "gap" }, title), h("p", { class: "muted" }, "Accuracy on trained features, with 95 % intervals and the number of features."), table([what, ...tasks.map((t) => PEOPLE_TASKS[t])], values.map((v) => [named(v), ...tasks.map((t) => {
    const one = all.find((p) => p.part === v && p.task === t);
    return one ? overUnits(one.accuracy) + ", " + whole(one.accuracy.features) : "–";
  })])));
}
function agreement(main, R, n) {
  main.append(h("h3", { class: "gap" }, "Agreement"));
  if (n < 2) main.append(h("p", { class: "note" }, "Agreement is not defined with fewer than two annotators that count."));
  else main.append(table(["of", "items", def("equal pairs", "people_agreement"), "most frequent value", def("Krippendorff's α (95 %)", "people_agreement"), "metric", "Fleiss' κ", "Cohen's κ of each pair"], R.agreements.map((a) => [a.what, whole(a.items), percent(a.raw), percent(a.prevalence),
    a.interval && isNumber(a.alpha) ? between({ value: a.alpha, ...a.interval }, 3) : defined(a.alpha, 3), a.metric.toLowerCase(), defined(a.fleiss, 3), a.cohen.length ? a.cohen.map((c) => fixed(c.kappa, 3)).join(", ") : UNDEFINED])));
  if (R.repeats.length) main.append(h("p", {}, def("Shown twice to the same annotator", "people_repeats"), ": " + R.repeats.map((r) => PEOPLE_TASKS[r.task] + " " + percent(r.same) + " answered alike (" + counted(r.trials, "trial") + ")").join(", ") + "."));
}
function scores(main, R) {
  if (!R.scores.length) return;
  main.append(h("h3", { class: "gap" }, "The index's scores against people"), h("p", { class: "muted" }, "Rank correlation of a score with the accuracy on trained features; circular scores come from the run's own model."),
    table(["task and score", "Spearman (95 %)", "features"], R.scores.map((s) => [PEOPLE_TASKS[s.task] + ", " + s.score, between(s.correlation, 2), whole(s.features)])));
}
function units(main, R, linked) {
  const tasks = Object.keys(PEOPLE_TASKS).filter((t) => R.units.some((u) => isNumber(u.accuracy[t]))), trained = R.units.filter((u) => u.kind === "feature");
  const rows = (all, link) => all.map((u) => [link(u), u.index_name || "–", u.names.join("; ") || "–", percent(u.one_idea), ...tasks.map((t) => percent(u.accuracy[t])), whole(u.answers), percent(u.active)]);
  const heads = (first) => [first, "name of the index", "names of annotators", "one idea", ...tasks.map((t) => PEOPLE_TASKS[t]), "answers", "active on"];
  if (trained.length) main.append(h("h3", { class: "gap" }, "Each trained feature"), h("p", { class: "muted" }, "Few answers say little about one feature: with 30 at 85 % its interval is ± 12.8 points."), h("details", { open: trained.length < 13 }, h("summary", {}, counted(trained.length, "feature")), table(heads("feature"), rows(trained, (u) => (linked && linked(u)) || "layer " + u.layer + " #" + u.number))));
  const controls = R.units.filter((u) => u.kind !== "feature");
  if (controls.length) main.append(h("details", {}, h("summary", {}, counted(controls.length, "control")), table(heads("control"), rows(controls, (u) => UNIT_KINDS[u.kind] + (u.kind === "random_sheet" ? "" : ", layer " + u.layer) + " #" + u.number))));
}
