// SPDX-License-Identifier: Apache-2.0
// Two sets of images: which features tell them apart, and from there into an edit.
import { address, api, cardAddress, fill, get, h, jobButton, number, post, runNumber, state, term } from "./parts.js";
import { unitsText } from "./experiment.js";

/** From this lower end of the interval on, a feature is suggested: chance among thousands does not reach it. */
const CLEAR = 0.7;

/** Images that the server gives at once. */
const MOST = 2000;

export async function groups(main, params) {
  const where = h("div", { role: "region", "aria-label": "Features that tell the sets apart" });
  let asked = ["", ""];
  const first = chooser("first", params.get("first"), params.get("images"));
  const second = chooser("second", params.get("second"), null);
  const count = h("input", { type: "number", min: 2, max: 1000, value: params.get("count") ?? 100 });
  const start = async () => {
    if (first.key() === second.key()) throw new Error("Choose labels or names: both sets are the same.");
    fill(where);
    asked = [first.said(), second.said()];
    const a = await first.images(Number(count.value), []);
    const b = await second.images(Number(count.value), a);
    if (!a.length || !b.length) throw new Error("One of the sets has no image. Each image counts for the first set it is in.");
    return post(api("groups"), { first: a, second: b });
  };
  fill(main, h("h1", {}, "Groups"),
    h("p", {}, "Where is the model wrong? Choose those images and others, find the features that tell them apart, and edit these."),
    h("div", { class: "pair" }, first.node, second.node),
    h("p", { class: "controls" }, h("label", {}, "At most ", count, " images of each "), jobButton("Compare", start, (result) => show(where, result, asked, first.wanted))), where);
}

/** Images with all of some labels, or the images of a list. */
function chooser(name, chosen, ids) {
  const wanted = new Set((chosen ?? "").split("|").filter(Boolean));
  const list = h("p", { class: "controls" });
  const select = h("select", { "aria-label": "Labels of the " + name + " set" }, h("option", { value: "" }, "add a label"),
    Object.entries(state.session.factors).map(([factor, values]) => h("optgroup", { label: factor }, Object.keys(values).map((value) => h("option", { value: `${factor}: ${value}` }, `${factor}: ${value}`)))));
  const names = h("textarea", { rows: 2, "aria-label": "Names of the " + name + " set", placeholder: "or names of images, one a line; a text file can be dropped here" });
  names.addEventListener("drop", async (event) => {
    const [file] = event.dataTransfer.files;
    if (!file) return;
    event.preventDefault();
    names.value = file.size < 1e6 ? await file.text() : "";
  });
  if (ids) post("api/images/named", { names: ids.split(",") }).then(({ images }) => { names.value = images.map((one) => one.name).join("\n"); });
  const lines = () => names.value.split("\n").map((l) => l.trim()).filter(Boolean);
  /** Those with all labels, from all of the set. */
  async function labelled() {
    const label = [...wanted].map((one) => "&label=" + encodeURIComponent(one)).slice(0, 1).join("");
    const all = [];
    for (let total = 1, from = 0; from < total; from += MOST) {
      const page = await get(`api/images?count=${MOST}&from=${from}${label}`);
      total = page.total;
      all.push(...page.images.filter((one) => [...wanted].every((l) => one.labels.includes(l))));
    }
    return all;
  }
  async function listed() {
    if (lines().length > MOST) throw new Error(`The list has ${lines().length} names; at most ${MOST} fit.`);
    const { images, unknown } = await post("api/images/named", { names: lines() });
    if (unknown.length) throw new Error(`${unknown.length} of the names are no image of the set, for example ${unknown[0]}.`);
    return images;
  }
  select.addEventListener("change", () => { if (select.value) wanted.add(select.value); select.value = ""; draw(); });
  function draw() {
    fill(list, wanted.size ? [...wanted].map((one) => h("button", { type: "button", class: "chip", "aria-label": "Remove " + one, onclick: () => { wanted.delete(one); draw(); } }, one + " ×")) : h("span", { class: "muted" }, "any label"));
  }
  draw();
  return {
    node: h("section", { class: "card", "aria-label": name + " set" }, h("h2", {}, name[0].toUpperCase() + name.slice(1) + " set"), list, select, names),
    async images(most, without) {
      const out = new Set(without);
      const images = lines().length ? await listed() : await labelled();
      return images.filter((one) => !out.has(one.id)).slice(0, most).map((one) => one.id);
    },
    wanted,
    key: () => JSON.stringify(lines().length ? lines() : [...wanted].map((one) => "label " + one)),
    said: () => (lines().length ? "the named images" : wanted.size ? [...wanted].join(" and ") : "all images"),
  };
}

function show(where, result, asked, wanted) {
  const boxes = [];
  const table = h("table", {}, h("thead", {}, h("tr", {}, ["", "Feature", "Name", term("auroc", "AUROC"), "95 % interval", "Mean, first", "Mean, second"].map((t) => h("th", { scope: "col" }, t)))),
    h("tbody", {}, result.features.map((one, k) => {
      const box = h("input", { type: "checkbox", checked: k < 4 && one.auroc.low > CLEAR, "aria-label": `Take ${one.layer}:${one.id}` });
      boxes.push([box, one]);
      return h("tr", {}, h("td", {}, box), h("th", { scope: "row" }, h("a", { href: cardAddress(one) }, `${one.layer}:${one.id}`)), h("td", {}, one.name ?? "no clear name"), h("td", {}, number(one.auroc.value)), h("td", {}, `${number(one.auroc.low)} to ${number(one.auroc.high)}`), h("td", {}, number(one.first_mean)), h("td", {}, number(one.second_mean)));
    })));
  const edit = () => {
    const units = unitsText(boxes.filter(([box]) => box.checked).map(([, one]) => ({ sae: one.sae, kind: "f", id: one.id, set: "0" })));
    location.hash = address("experiment", { run: runNumber() || null, units, label: [...wanted][0] });
  };
  fill(where, h("p", { role: "status" }, `${result.first} images (${asked[0]}) and ${result.second} (${asked[1]}). Largest activation of each feature as a classifier of the first set; the clearest first. Of many features some differ by chance: one in twenty intervals does not hold the truth, and those with a lower end above ${CLEAR} are marked.`),
    result.features.length ? [h("p", { class: "controls" }, h("button", { type: "button", onclick: edit }, "Suppress the marked ones on an image")), h("div", { class: "card wide", tabindex: "0", role: "region", "aria-label": "Features" }, table)] : h("p", {}, "No feature is active on either."));
}
