// SPDX-License-Identifier: Apache-2.0
// The report's part on selectivity: does a feature's edit change one class and leave the others?

const CONTROLS = { random_directions: "random directions", random_features: "other features", neurons: "neurons", class_mean: "class mean", untrained: "untrained SAE" };
function selectivity() {
  const main = h("main", {}, h("h1", {}, "Selectivity"), h("p", {}, "One class and its feature at a time, on all tokens. ", def("T", "target_change"), " is the share of the class's own answers that change, ", def("O", "other_change"),
    " the share of all others. ", def("Controls", "controls"), " move every token exactly as far in other directions; p ranks T − O among the random ones, adjusted by Holm."), hint());
  for (const s of D.studies) study(main, s);
  main.append(commands("report"));
  return main;
}
function study(main, s) {
  const R = s.report, items = R.task === "segmentation" ? "patches" : "images";
  main.append(h("h2", {}, s.name), h("p", { class: "muted path" }, R.data), h("p", {}, "Edits at " + R.hook_point + ", " + counted(R.images, "image") + "; features were chosen on " + whole(R.training_images) + " others (" + R.select + ")." +
    (items === "patches" ? (R.local ? " The head reads this layer: an edit reaches its own patch alone." : " The head reads layer " + R.head_layer + ": attention carries edits to other patches.") : "")));
  for (const scale of [...new Set(R.classes.map((c) => c.scale))]) {
    const rows = R.classes.filter((c) => c.scale === scale), mean = (f) => rows.reduce((a, c) => a + f(c), 0) / rows.length;
    const above = rows.filter((c) => Object.values(c.controls).every((k) => c.difference.value > k.most)).length;
    main.append(h("h3", { class: "gap" }, scale === 0 ? "Ablated" : "Set to " + fixed(scale, 1) + " times the largest activation"),
      h("p", {}, "Mean T " + percent(mean((c) => c.target_change.value)) + ", mean O " + percent(mean((c) => c.other_change)) + "; T − O is above every control for " + above + " of " + counted(rows.length, "class").replace(/classs$/, "classes") + "."),
      lying(rows.map((c) => c.name), rows.map((c) => c.difference.value), "T − O", "T − O of every class, with 95 % intervals over images.", { key: "difference", x: { min: -1, max: 1 }, ranges: rows.map((c) => (c.images === 1 ? null : [c.difference.low, c.difference.high])) }),
      table(["class", "features", items, def("T", "target_change"), def("O, active", "other_change"), def("O, inactive", "other_change"), "T − O", "p (Holm)", ...Object.values(CONTROLS).map((k) => k + ": mean T − O (most)"), def("become", "destinations")],
        rows.map((c) => [c.name, c.features.map((f) => "#" + f).join(", "), whole(c.n), c.images === 1 ? percent(c.target_change.value) + " (one image)" : range(c.target_change), percent(c.other_change_on), percent(c.other_change_off), range(c.difference), probability(c.p_holm),
          ...Object.keys(CONTROLS).map((k) => { const v = c.controls[k]; return v ? fixed(v.difference, 2) + " (" + fixed(v.most, 2) + ")" : "–"; }), c.destinations.map((d) => d.name + " " + percent(d.share)).join(", ")])));
  }
  maps(main, s);
  for (const [name, reason] of Object.entries(R.not_studied)) main.append(h("p", { class: "muted" }, name + ": " + reason + "."));
  if (s.command) main.append(h("footer", {}, h("span", {}, "made by"), h("code", {}, s.command)));
}
// Image, classes of patches before and after, and where they changed: of each class the image with the most of its patches.
function maps(main, s) {
  const shown = s.report.classes.filter((c) => c.example && s.maps[c.example.map]);
  if (!shown.length) return;
  main.append(h("h3", { class: "gap" }, "Maps"), h("p", { class: "muted" }, "From the left: the image, the head's classes before the edit and after it, and the new classes where they changed (white: unchanged). Each class on the image that has most of its patches."),
    h("div", { class: "maps" }, ...shown.map((c) => {
      const title = c.name + ", " + (c.scale === 0 ? "ablated" : "set to " + fixed(c.scale, 1) + " times the largest activation");
      return h("figure", {}, h("img", { src: "data:image/jpeg;base64," + s.maps[c.example.map], alt: "Maps of " + c.example.image + ": " + title, loading: "lazy" }),
        h("figcaption", {}, h("b", {}, title), " ", h("span", { class: "muted path" }, c.example.image), h("span", { class: "keys" }, ...Object.entries(c.example.colours).map(([name, colour]) => {
          const chip = h("i", {});
          chip.style.background = /^#[0-9a-f]{6}$/.test(colour) ? colour : "";
          return h("span", {}, chip, " " + name);
        }))));
    })));
  const without = s.report.classes.filter((c) => c.example).length - shown.length;
  if (without) main.append(h("p", { class: "muted" }, counted(without, "more map") + " in the study's folder."));
}
