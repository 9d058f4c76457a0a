// SPDX-License-Identifier: Apache-2.0
// One feature: its images from the strongest to those on which it is not active, statistics, names, labels, neighbours, notes.
import { address, api, fault, featureLine, featureName, fill, get, h, jobButton, number, percent, picture, post, run, runNumber, scale, state, term } from "./parts.js";
import { grid, histogram } from "./charts.js";

/** As dense_fraction in the metrics. */
const DENSE = 0.1;

export async function card(main, params) {
  const own = run();
  const sae = Number(params.get("sae") ?? 0), id = Number(params.get("id") ?? 0);
  const view = await get(api(`features/${sae}/${id}`));
  const s = view.statistics;
  const edit = address("experiment", { run: runNumber() || null, image: view.exemplars.find((e) => e.image !== null)?.image, units: `${sae}.f.${id}@` });
  const map = h("input", { type: "checkbox", checked: true, onchange: () => main.classList.toggle("plain", !map.checked) });
  const crop = h("input", { type: "checkbox", onchange: () => main.classList.toggle("crops", crop.checked) });
  main.classList.remove("plain", "crops");
  const marks = [!(s.frequency > 0) ? "dead: never active on the index's images" : null, s.frequency > DENSE ? `dense: active on more than ${percent(DENSE, 0)} of the tokens` : null].filter(Boolean);
  fill(main,
    h("h1", {}, `Feature ${view.layer}:${id} `, h("small", {}, featureName(s))),
    marks.length ? h("p", { class: "muted" }, marks.join("; ")) : null,
    h("p", { class: "controls" }, h("a", { class: "button", href: edit }, "Edit it on an image"), h("label", {}, map, " heat maps"), h("label", {}, crop, " cropped to the strongest patch")),
    h("section", { "aria-label": "Images" }, h("h2", {}, "Strongest images"), view.exemplars.length ? [scale(s.max), h("p", { class: "muted" }, "A yellow frame marks the strongest patch; without one, the class token is the strongest.")] : h("p", {}, "It is active on no image of the index."),
      h("div", { class: "gallery" }, view.exemplars.map((e, k) => h("figure", {}, openImage(e.image, picture(e.image, `strongest image ${k + 1}, activation ${number(e.max)}`, { map: e.map, patch: e.patch, max: s.max })), h("figcaption", {}, number(e.max))))),
      spread(sae, id)),
    h("section", { "aria-label": "Statistics" }, h("h2", {}, "Statistics"), tiles([
      [term("frequency", "Frequency"), percent(s.frequency, 3)], ["Images", `${s.images} (${percent(s.image_frequency)})`], [term("max", "Max activation"), number(s.max)],
      [term("mean", "Mean activation"), number(s.mean)], [term("cls_share", "Share on CLS"), percent(s.cls_share)], [term("monosemanticity", "Monosemanticity"), number(s.monosemanticity)]]),
      h("div", { class: "pair" },
        s.histogram?.length ? h("figure", { class: "card" }, histogram(s.histogram, "Histogram of its activations"), h("figcaption", {}, term("histogram", "Histogram"), " of its activations above 0")) : null,
        s.positions?.length ? h("figure", { class: "card" }, positions(s.positions, own), h("figcaption", {}, term("positions", "Mean activation by position"))) : null)),
    view.steered ? steerability(view.steered) : null,
    h("section", { "aria-label": "Meaning" }, h("h2", {}, "Names and labels"), h("div", { class: "pair" }, names(view), labels(view))),
    neighbours(sae, id), h("section", { "aria-label": "Provenance" }, h("h2", {}, "Where this is from"), h("p", { class: "muted path" }, `SAE ${own.saes[sae].name} (${own.saes[sae].variant}, ${own.saes[sae].hook_point}, ${own.saes[sae].tokens} tokens) of ${own.path}; model ${own.model}; index of ${own.index.images} images of ${own.index.source}`)), twins(sae, id), notes(sae, id, own));
}

const openImage = (image, node) => (image === null ? node : h("a", { href: address("experiment", { run: runNumber() || null, image }) }, node));
const tiles = (all) => h("div", { class: "tiles" }, all.map(([name, value]) => h("div", { class: "card tile" }, h("small", {}, name), h("b", {}, value))));

/** What steering it does, beside random directions. */
function steerability(one) {
  return h("section", { "aria-label": "Steerability" }, h("h2", {}, term("s", "Steerability")), tiles([
    ["S without bias, 95 % interval", `${number(one.unbiased)} (${number(one.low)} to ${number(one.high)})`], ["S", number(one.s)], ["S of random directions, median", number(one.random)], ["Above random directions", percent(one.above_random, 0)], [term("power", "Power"), number(one.power)]]),
    h("p", {}, "Promoted: ", one.promoted || "–"), h("p", {}, "Suppressed: ", one.suppressed || "–"), h("p", { class: "muted" }, `Set to ${one.set} on ${one.images} images`));
}

/** Positions of the SAE's tokens: CLS, if it reads it, apart from the patches. */
function positions(values, own) {
  const patches = values.slice(values.length - own.rows * own.columns);
  return grid(patches, own.columns, "Mean activation by patch");
}

/** Images beyond the top. */
function spread(sae, id) {
  const where = h("div", {});
  const start = async () => post(api("spread"), { sae, id, images: await evenly(400) });
  const show = (result) => fill(where, h("p", { class: "muted" }, `${result.images} images, evenly from the set; a decile is a tenth of those on which it is active`),
    result.parts.map((part) => h("div", { class: "part" }, h("h3", {}, part.part, h("small", {}, ` of ${part.count}`)),
      h("span", { class: "exemplars" }, part.images.map((one) => openImage(one.image, picture(one.image, `${part.part}, activation ${number(one.max)}`)))))));
  return h("div", {}, h("h2", {}, "Beyond the strongest"), h("p", { class: "muted" }, "The strongest images show a feature clearer than it is. See each tenth of its images, the weakest, and images without it."),
    jobButton("Look at 400 images", start, show), where);
}

/** The same concept in the other runs. */
function twins(sae, id) {
  return h("section", { "aria-label": "Active together" }, h("h2", {}, "Active on the same images"), h("p", { class: "muted" }, "Nearest features by the ", term("twins", "correlation"), " of largest activations over images, here and in other runs: does the other model have this feature?"),
    state.session.runs.map((other, k) => {
      const where = h("div", {});
      const start = async () => post(api("twins"), { sae, id, other: k, images: await evenly(300) });
      const show = (result) => fill(where, h("ol", { class: "features" }, result.features.filter((one) => k !== runNumber() || one.sae !== sae || one.feature.id !== id).map((one) => h("li", {},
        h("a", { href: address("feature", { run: k || null, sae: one.sae, id: one.feature.id }) }, `${one.feature.layer}:${one.feature.id}`), " ", h("b", {}, featureName(one.feature)),
        ` r = ${number(one.correlation.value)} (${number(one.correlation.low)} to ${number(one.correlation.high)})`))));
      return h("div", {}, jobButton(k === runNumber() ? "Look in this run" : `Look in ${other.name}`, start, show), where);
    }));
}

/** Ids of some images, evenly from the set. */
async function evenly(most) {
  const { images } = await get("api/images?count=2000");
  const step = Math.max(1, Math.floor(images.length / most));
  return images.filter((_, k) => k % step === 0).slice(0, most).map((one) => one.id);
}

function names(view) {
  const methods = { images: "by its images", steering: "by its effect" };
  const known = [...new Set(view.names.map((n) => n.method))];
  return h("div", { class: "card" }, h("h3", {}, term("names", "Names")), known.length ? known.map((method) => [h("p", { class: "muted" }, methods[method] ?? method),
    h("table", {}, h("thead", {}, h("tr", {}, ["Word", "Score", "Margin"].map((t) => h("th", { scope: "col" }, t)))), h("tbody", {}, view.names.filter((n) => n.method === method).slice(0, 5).map((n) => h("tr", {}, h("th", { scope: "row" }, n.word), h("td", {}, number(n.score)), h("td", {}, number(n.margin))))))]) : h("p", {}, "None: the index was made without words."));
}

function labels(view) {
  return h("div", { class: "card" }, h("h3", {}, "Labels"), view.labels.length ? h("table", {}, h("thead", {}, h("tr", {}, ["Label", term("auroc", "AUROC"), "95 % interval", "Images"].map((t) => h("th", { scope: "col" }, t)))),
    h("tbody", {}, view.labels.map((l) => h("tr", {}, h("th", { scope: "row" }, `${l.factor}: ${l.value}`), h("td", {}, number(l.auroc)), h("td", {}, `${number(l.auroc_low)} to ${number(l.auroc_high)}`), h("td", {}, l.positives))))) : h("p", {}, "The index knows no labels of enough images."));
}

function neighbours(sae, id) {
  const where = h("ol", { class: "features" });
  const show = async () => {
    try {
      const answer = await get(api(`search?sae=${sae}&id=${id}&count=8`));
      fill(where, answer.features.map((one) => featureLine(one, h("span", { class: "muted" }, "cosine " + number(one.score)))));
    } catch (e) {
      fill(where, fault(e));
    }
  };
  return h("details", { ontoggle: (event) => event.target.open && show() }, h("summary", {}, "Nearest features by decoder direction"), where);
}

function notes(sae, id, own) {
  const where = h("div", {});
  const name = own.saes[sae].name;
  async function show() {
    try {
      const { notes } = await get(api("notes"));
      const mine = notes.filter((one) => one.sae === name && one.id === id);
      const last = mine.at(-1);
      fill(where, state.session.read_only ? h("p", { class: "muted" }, "This session is read-only.") : h("form", { class: "controls", onsubmit: save },
        h("label", {}, "Note ", h("textarea", { name: "note", rows: 2, maxLength: 2000 }, last?.note ?? "")),
        h("label", {}, "Tags, by commas ", h("input", { name: "tags", value: last?.tags.join(", ") ?? "" })), h("button", {}, "Save")),
        mine.map((one) => h("p", { class: "muted" }, new Date(one.time).toLocaleString(), ": ", one.note, one.tags.length ? " [" + one.tags.join(", ") + "]" : "")));
    } catch (e) {
      fill(where, fault(e));
    }
  }
  async function save(event) {
    event.preventDefault();
    const data = new FormData(event.target);
    try {
      await post(api("notes"), { sae, id, note: data.get("note"), tags: String(data.get("tags")).split(",").map((t) => t.trim()).filter(Boolean) });
      show();
    } catch (e) {
      where.append(fault(e));
    }
  }
  show();
  return h("section", { "aria-label": "Notes" }, h("h2", {}, "Notes"), where);
}
