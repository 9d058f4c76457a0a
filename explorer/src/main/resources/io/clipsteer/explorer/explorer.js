// SPDX-License-Identifier: Apache-2.0
// The explorer's frame: navigation, and which page is drawn.
import { address, fault, fill, get, h, place, runNumber, say, state } from "./parts.js";
import { overview } from "./overview.js";
import { features } from "./features.js";
import { card } from "./card.js";
import { experiment } from "./experiment.js";
import { groups } from "./groups.js";
import { label } from "./label.js";

const PAGES = {
  overview: ["Overview", overview],
  features: ["Features", features],
  experiment: ["Experiment", experiment],
  groups: ["Groups", groups],
  label: ["Label", label],
  definitions: ["Definitions", definitions],
  feature: [null, card],
};
const main = document.getElementById("main");

function navigation(page) {
  const params = { run: runNumber() || null };
  fill(document.getElementById("nav"), Object.entries(PAGES).filter(([, [name]]) => name).map(([key, [name]]) =>
    h("a", { href: address(key, params), "aria-current": key === page || (key === "features" && page === "feature") ? "page" : null }, name)));
  const select = document.getElementById("run");
  document.getElementById("runs").hidden = state.session.runs.length < 2;
  fill(select, state.session.runs.map((one, k) => h("option", { value: k, selected: k === runNumber() }, one.name)));
}

function definitions(main, params) {
  const wanted = params.get("term");
  fill(main, h("h1", {}, "Definitions"),
    h("dl", { class: "definitions" }, state.definitions.map((one) => [
      h("dt", { id: "term-" + one.key, class: one.key === wanted ? "wanted" : "" }, one.name),
      h("dd", {}, one.text)])));
  if (wanted) document.getElementById("term-" + wanted)?.scrollIntoView({ block: "center" });
}

async function indexing() {
  for (;;) {
    const own = state.session.runs[runNumber()]?.indexing;
    if (!own) return;
    if (own.error) throw new Error("The run could not be indexed: " + own.error);
    fill(main, h("h1", {}, "Indexing"),
      h("p", { role: "status" }, `${own.title}: ${own.done}${own.total ? " of " + own.total : ""}. The page opens when it is done.`),
      own.total ? h("progress", { max: own.total, value: own.done, "aria-label": own.title }) : null);
    await new Promise((done) => setTimeout(done, 500));
    state.session = await get("api/session");
  }
}

let drawn = 0;
async function draw() {
  if (!state.session) return;
  const own = ++drawn;
  const { page, params } = place();
  const [name, show] = PAGES[page] ?? [null, null];
  navigation(page);
  document.title = (name ?? "Feature") + " · clipsteer explorer";
  try {
    await indexing();
    if (own !== drawn) return;
    if (show) await show(main, params);
    else fill(main, h("h1", {}, "No such page"));
  } catch (e) {
    if (own === drawn) fill(main, h("h1", {}, "This did not work"), fault(e));
  }
}

document.getElementById("run").addEventListener("change", (event) => {
  const { page } = place();
  location.hash = address(page === "feature" ? "features" : page, { run: event.target.value });
});
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
// A file that is dropped beside its place must not replace the page.
for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
window.addEventListener("hashchange", () => {
  draw().then(() => {
    main.focus({ preventScroll: true });
    say(document.title);
  });
});

try {
  [state.session, state.definitions] = await Promise.all([get("api/session"), get("api/definitions").then((d) => d.definitions)]);
  await draw();
} catch (e) {
  fill(main, fault(e));
}
