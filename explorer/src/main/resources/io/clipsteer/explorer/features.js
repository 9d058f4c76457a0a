// SPDX-License-Identifier: Apache-2.0
// All features: search by text, label and number, a table with filters, and SQL.
import { address, api, cardAddress, fault, featureLine, featureName, fill, get, go, h, note, number, percent, post, run, runNumber, state, term } from "./parts.js";

const PAGE = 50;
const SHOWN = [
  ["name", null], ["label", null], ["auroc", "auroc"], ["frequency", "frequency"], ["image_frequency", null],
  ["max", "max"], ["monosemanticity", "monosemanticity"], ["cls_share", "cls_share"],
];

export async function features(main, params) {
  const own = run();
  const now = {
    run: runNumber() || null, sae: params.get("sae") ?? "", sort: params.get("sort") ?? "image_frequency", order: params.get("order") ?? "",
    named: params.get("named") ?? "", alive: params.get("alive") ?? "", ranges: params.get("ranges") ?? "", from: Number(params.get("from") ?? 0),
    text: params.get("text") ?? "", label: params.get("label") ?? "", view: params.get("view") ?? "",
  };
  const found = h("div", { id: "found", role: "region", "aria-label": "Found features" });
  const table = h("div", { class: "card wide", tabindex: "0", role: "region", "aria-label": "Table of features" });
  const ranges = h("p", {});

  async function search() {
    note("features", now);
    if (!now.text && !now.label) return fill(found);
    try {
      const answer = await get(api("search?" + new URLSearchParams(now.text ? { text: now.text } : { label: now.label })));
      fill(found, now.text ? verdict(answer, now.text) : h("p", {}, `Features that tell images with ${now.label} from others, by `, term("auroc", "AUROC"), ":"),
        h("ol", { class: "features" }, answer.features.map((one) => featureLine(one, h("span", { class: "muted" }, "score " + number(one.score))))),
        h("p", {}, h("a", { href: groupAddress(answer.features) }, "Compare the strongest images of these features with others")));
    } catch (e) {
      fill(found, fault(e));
    }
  }
  async function list() {
    note("features", now);
    fill(ranges, now.ranges ? [`Only features with ${now.ranges.split(",").map((one) => one.split(":")).map(([column, low, high]) => column.replaceAll("_", " ") + (Number(low) > -1e9 ? ` from ${low}` : "") + (Number(high) < 1e9 ? ` to ${high}` : "")).join(" and ")} `, h("button", { type: "button", onclick: () => { now.ranges = ""; now.from = 0; list(); } }, "Show all")] : null);
    const query = new URLSearchParams({ sae: now.sae, sort: now.sort, order: now.order, named: now.named, alive: now.alive, ranges: now.ranges, from: now.from, count: PAGE, exemplars: now.view === "gallery" ? 4 : 0 });
    try {
      fill(table, rows(await get(api("features?" + query))));
    } catch (e) {
      fill(table, fault(e));
    }
  }
  function sorted(column) {
    now.order = now.sort === column && now.order === "" ? "ascending" : "";
    now.sort = column;
    now.from = 0;
    list();
  }
  function rows(page) {
    const turn = (text, to, possible) => h("button", { type: "button", disabled: !possible, onclick: () => { now.from = to; list(); } }, text);
    return [
      h("p", { class: "controls", role: "status" }, `${page.total} features`, page.total ? `, ${now.from + 1} to ${now.from + page.features.length} ` : " ",
        turn("Previous", Math.max(0, now.from - PAGE), now.from > 0), turn("Next", now.from + PAGE, now.from + PAGE < page.total)),
      now.view === "gallery" ? h("ol", { class: "features gallery-list" }, page.features.map((one) => featureLine(one, h("span", { class: "muted" }, one.label ? `${one.label} ${number(one.auroc)}` : "")))) : h("table", {},
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Feature"), SHOWN.map(([column, key]) =>
          h("th", { scope: "col", "aria-sort": now.sort === column ? (now.order ? "ascending" : "descending") : null },
            state.session.columns.includes(column) ? h("button", { type: "button", class: "sort", onclick: () => sorted(column) }, column.replaceAll("_", " "), now.sort === column ? (now.order ? " ▲" : " ▼") : "") : column,
            key ? [" ", term(key, "?")] : null)))),
        h("tbody", {}, page.features.map((one) => h("tr", {},
          h("th", { scope: "row" }, h("a", { href: cardAddress(one) }, `${one.layer}:${one.id}`)),
          h("td", {}, featureName(one)), h("td", {}, one.label ?? "–"), h("td", {}, number(one.auroc)), h("td", {}, percent(one.frequency, 2)), h("td", {}, percent(one.image_frequency)),
          h("td", {}, number(one.max)), h("td", {}, number(one.monosemanticity)), h("td", {}, percent(one.cls_share))))))];
  }

  const submit = (use) => (event) => { event.preventDefault(); use(new FormData(event.target)); };
  const words = own.words.length ? h("datalist", { id: "words" }, own.words.slice(0, 2000).map((w) => h("option", { value: w }))) : null;
  fill(main,
    h("h1", {}, "Features"),
    own.texts ? h("form", { class: "controls", role: "search", onsubmit: submit((data) => { now.text = String(data.get("text")).trim(); now.label = ""; search(); }) },
      h("label", {}, "Search by text ", h("input", { type: "search", name: "text", value: now.text, maxLength: 200, list: words ? "words" : null, required: true })), words, h("button", {}, "Search")) : null,
    h("form", { class: "controls", onsubmit: submit((data) => { now.label = data.get("label"); now.text = ""; search(); }) },
      labelSelect(now.label, "Search by label "), h("button", {}, "Search")),
    h("form", { class: "controls", onsubmit: submit((data) => jump(String(data.get("number")), own, found)) },
      h("label", {}, "Open a feature ", h("input", { name: "number", placeholder: "layer:number", size: 12, required: true })), h("button", {}, "Open")),
    found,
    h("h2", {}, "All"),
    h("form", { class: "controls", onsubmit: submit((data) => { now.sae = data.get("sae"); now.named = data.get("named"); now.alive = data.get("dead") ? "0" : ""; now.view = data.get("gallery") ? "gallery" : ""; now.from = 0; list(); }) },
      h("label", {}, "SAE ", h("select", { name: "sae" }, h("option", { value: "" }, "all"), own.saes.map((s) => h("option", { value: s.sae, selected: String(s.sae) === now.sae }, "layer " + s.layer + ", " + s.variant)))),
      h("label", {}, "Name or label contains ", h("input", { type: "search", name: "named", value: now.named })),
      h("label", {}, h("input", { type: "checkbox", name: "dead", checked: now.alive === "0" }), " dead ones too"),
      h("label", {}, h("input", { type: "checkbox", name: "gallery", checked: now.view === "gallery" }), " with images"),
      h("button", {}, "Show")),
    h("form", { class: "controls", onsubmit: submit((data) => {
      const range = `${data.get("column")}:${data.get("low") || -1e9}:${data.get("high") || 1e9}`;
      now.ranges = now.ranges ? now.ranges + "," + range : range;
      now.from = 0;
      list();
    }) }, h("label", {}, "Only ", h("select", { name: "column" }, state.session.columns.filter((c) => c !== "id" && c !== "steerability").map((c) => h("option", { value: c }, c.replaceAll("_", " "))))),
      h("label", {}, "from ", h("input", { type: "number", step: "any", name: "low" })), h("label", {}, "to ", h("input", { type: "number", step: "any", name: "high" })), h("button", {}, "Filter")),
    ranges, table, lists(), sql());
  await Promise.all([search(), list()]);
}

/** The page of groups, with the images of found features as the first set. */
const groupAddress = (found) => {
  const ids = new Set(found.flatMap((one) => one.exemplars.map((e) => e.image)).filter((id) => id !== null));
  return address("groups", { run: runNumber() || null, images: [...ids].join(",") });
};

/** A choice of the labels that images have. */
export function labelSelect(chosen, name) {
  return h("label", {}, name, h("select", { name: "label", required: true }, h("option", { value: "" }, "–"),
    Object.entries(state.session.factors).map(([factor, values]) => h("optgroup", { label: factor },
      Object.keys(values).map((value) => h("option", { value: `${factor}: ${value}`, selected: chosen === `${factor}: ${value}` }, `${factor}: ${value}`))))));
}

/** Whether a text search found more than chance. */
export function verdict(answer, text) {
  const share = `${Math.round(answer.percentile * answer.compared)} of ${answer.compared}`;
  return h("p", { class: answer.stands_out ? "muted" : "note", role: "status" },
    answer.stands_out ? `“${text}”: its best feature fits better than the best feature of ${share} texts without meaning` : `No feature stands out for “${text}”: its best feature fits better than that of only ${share} texts without meaning`,
    ". ", term("search_null", "What is this?"));
}

function jump(text, own, found) {
  const parts = /^(\d+):(\d+)$/.exec(text.trim());
  const sae = parts && own.saes.find((s) => s.layer === Number(parts[1]));
  if (!sae || Number(parts[2]) >= sae.features) {
    const how = sae ? `layer ${sae.layer} has the numbers 0 to ${sae.features - 1}` : `write LAYER:NUMBER, with one of the layers ${own.saes.map((s) => s.layer).join(", ")}`;
    fill(found, fault(new Error(`${text} is no feature: ${how}`)));
    return;
  }
  go("feature", { run: runNumber() || null, sae: sae.sae, id: parts[2] });
}

/** The user's own lists: features by tag. */
function lists() {
  const where = h("div", {});
  async function show() {
    try {
      const { notes } = await get(api("notes"));
      const last = new Map(notes.map((one) => [one.sae + " " + one.id, one]));
      const tags = new Map();
      for (const one of last.values()) for (const tag of one.tags) tags.set(tag, [...(tags.get(tag) ?? []), one]);
      const own = run().saes;
      fill(where, tags.size ? [...tags].map(([tag, all]) => h("p", {}, h("b", {}, tag), ": ", all.map((one) => {
        const sae = own.find((s) => s.name === one.sae);
        return sae ? [h("a", { href: cardAddress({ sae: sae.sae, id: one.id }) }, `${sae.layer}:${one.id}`), one.note ? ` (${one.note}) ` : " "] : null;
      }))) : h("p", { class: "muted" }, "No lists yet: a feature's page takes notes and tags."),
      h("p", {}, h("a", { href: api("notes.csv"), download: "notes.csv" }, "Notes as CSV"), "; the run's notes.jsonl holds them, too"));
    } catch (e) {
      fill(where, fault(e));
    }
  }
  return h("details", { ontoggle: (event) => event.target.open && show() }, h("summary", {}, "Lists"), where);
}

/** SQL over the index. */
function sql() {
  const where = h("div", { class: "wide", role: "region", "aria-label": "Answer of the query", tabindex: "0" });
  const ask = async (event) => {
    event.preventDefault();
    fill(where, h("p", { role: "status" }, "…"));
    try {
      const answer = await post(api("query"), { sql: new FormData(event.target).get("sql") });
      fill(where, h("p", { role: "status" }, answer.rows.length + " rows"), h("table", {}, h("thead", {}, h("tr", {}, answer.columns.map((c) => h("th", { scope: "col" }, c)))),
        h("tbody", {}, answer.rows.slice(0, 200).map((row) => h("tr", {}, row.map((cell) => h("td", {}, cell === null ? "–" : typeof cell === "object" ? JSON.stringify(cell).slice(0, 80) : String(cell))))))));
    } catch (e) {
      fill(where, fault(e));
    }
  };
  return h("details", {}, h("summary", {}, "SQL over the index"),
    h("form", { onsubmit: ask },
      h("label", {}, "One SELECT; tables features, feature_tops, feature_names, feature_labels, feature_images", h("textarea", { name: "sql", rows: 3, maxLength: 4000 }, "SELECT layer, id, name, frequency FROM features ORDER BY monosemanticity DESC NULLS LAST LIMIT 20")),
      h("button", {}, "Run")), where);
}
