// SPDX-License-Identifier: Apache-2.0
// The page of one human evaluation.
definitions = DATA.definitions;
function labels() {
  const main = h("main", {}, h("h1", {}, DATA.title));
  people(main, DATA.result, null);
  main.append(h("footer", {}, hint(), "All digits: clipsteer labels report --json."));
  return main;
}
start(DATA.result.name, [["", "Human evaluation", labels], ["definitions", "Definitions", definitionsPage]]);
