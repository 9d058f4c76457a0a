// SPDX-License-Identifier: Apache-2.0
// The page of one paper's published numbers beside ours.
const R = DATA.reproduction;
definitions = DATA.definitions;
const VERDICTS = ["consistent", "different", "cannot_tell", "other_model", "nothing_published", "not_measured"];
const words = (verdict) => verdict.replace("_", " ");
/** A number as its kind is written. */
const figure = (row, v) => (!isNumber(v) ? "–" : row.kind === "share" ? percent(v) : short(v));
const points = (row, v) => (row.kind === "share" ? fixed(100 * v, 1) + " points" : short(v));
/** As it is printed in the paper, with all its digits. */
const printed = (row, v) => (row.kind === "share" ? Number((100 * v).toPrecision(6)) + " %" : String(v));
function published(row) {
  if (isNumber(row.value)) return printed(row, row.value) + (row.n ? " of " + whole(row.n) : "");
  if (isNumber(row.low) && isNumber(row.high)) return figure(row, row.low) + " to " + figure(row, row.high);
  if (isNumber(row.low)) return figure(row, row.low) + " or more";
  return "words";
}
function ours(row) {
  const o = row.ours;
  if (!o) return "–";
  return figure(row, o.value) + (isNumber(o.low) ? " (" + figure(row, o.low) + " to " + figure(row, o.high) + ")" : "") + (o.n ? ", n " + whole(o.n) : "");
}
function difference(row) {
  if (!isNumber(row.difference)) return "–";
  return points(row, row.difference) + (isNumber(row.difference_low) ? " (" + points(row, row.difference_low).replace(" points", "") + " to " + points(row, row.difference_high) + ")" : "");
}
const left = (text) => h("td", { class: "wrap" }, text);
const head = (text) => h("th", { class: "left", scope: "col" }, text);
function rows() {
  const main = h("main", {}, h("h1", {}, DATA.title), h("p", { class: "muted path" }, "Model " + R.model + (R.dino ? ", and " + R.dino : "") + ". " + R.shape));
  if (!R.same_shape) main.append(h("p", { class: "note" }, "These are figures of another model than the paper's: they show that the measurement works, and say nothing about the paper's numbers."));
  if (R.scale !== 1) main.append(h("p", { class: "note" }, "Images, tokens and steps are " + short(R.scale) + " times the paper's: SAEs are trained less, and intervals are wider."));
  main.append(h("div", { class: "tiles" }, VERDICTS.map((v) => tile(words(v), "verdict", whole(R.verdicts[v])))));
  for (const place of [...new Set(R.rows.map((r) => r.place))]) {
    const own = R.rows.filter((r) => r.place === place);
    main.append(h("h2", {}, place), table(["number", "published", "known as", "ours (95 %)", def("difference", "reproduced_difference"), def("verdict", "verdict"), def("power", "verdict_power"), "stage", head("note")],
      own.map((r) => [left(r.what), published(r), r.evidence, ours(r), difference(r), words(r.verdict), isNumber(r.power) ? percent(r.power) : "–", r.stage || "–", left(r.note || r.reason || "")])));
  }
  main.append(h("footer", {}, hint(), "All digits are in reproduction.json."));
  return main;
}
function stages() {
  const main = h("main", {}, h("h1", {}, "Commands"));
  main.append(h("h2", {}, "Sets"), table(["set", head("folder"), head("note")], R.sets.map((s) => [left(s.name), left(s.path || "missing"), left(s.note)])));
  main.append(h("h2", {}, "Stages"), table(["stage", "seconds", head("command"), head("note")], R.stages.map((s) => [left(s.name), isNumber(s.seconds) ? short(s.seconds) : "–", left(h("code", {}, s.command)), left(s.note)])));
  return main;
}
start(R.paper, [["", "Published and ours", rows], ["commands", "Commands", stages], ["definitions", "Definitions", definitionsPage]]);
