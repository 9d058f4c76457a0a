// SPDX-License-Identifier: Apache-2.0
// Shows the page's data. Text from files only ever becomes text: nothing here parses HTML.
"use strict";
(() => {
  const D = JSON.parse(document.getElementById("data").textContent);
  const app = document.getElementById("app");
  const PAGE = 40;
  const WHY = { edit: "taken away", clear: "clearest", steers: "steers most", sample: "random sample" };
  let charts = [];
  let heat = true;
  const filters = { text: "", sae: "", why: "", rate: "", sort: "order", shown: PAGE };

  function h(tag, attributes, ...children) {
    const e = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (key.startsWith("on")) e.addEventListener(key.slice(2), value);
      else if (key === "class") e.className = value;
      else e.setAttribute(key, value === true ? "" : value);
    }
    e.append(...children.flat(9).filter((c) => c !== null && c !== undefined && c !== false));
    return e;
  }

  // ---- numbers and words -----------------------------------------------------------------------
  const isNumber = (v) => typeof v === "number" && isFinite(v);
  const fixed = (v, digits) => (isNumber(v) ? v.toFixed(digits) : "–");
  const whole = (v) => (isNumber(v) ? Math.round(v).toLocaleString("en") : "–");
  function short(v) {
    if (!isNumber(v)) return "–";
    if (v === 0) return "0";
    const a = Math.abs(v);
    return a >= 1000 ? whole(v) : a >= 100 ? v.toFixed(0) : a < 0.001 ? v.toExponential(1) : v.toPrecision(3);
  }
  function percent(v) {
    if (!isNumber(v)) return "–";
    const p = 100 * v;
    return (p !== 0 && p < 0.1 ? p.toPrecision(2) : p.toFixed(1)) + " %";
  }
  function layerName(sae) {
    const end = sae.tokens === "all" ? "" : ", " + sae.tokens;
    return "layer " + sae.layer + (String(sae.hook_point).includes("mlp_out") ? " MLP" : "") + end;
  }
  /** A layer, with the SAE's name where the layer has more than one. */
  const placeName = (sae) => layerName(sae) + (D.saes.filter((x) => x.layer === sae.layer).length > 1 ? ", " + sae.sae.split("/").pop() : "");
  const saeName = (sae) => layerName(sae) + (sae.variant ? ", " + sae.variant : "");
  const title = (f) => f.name || "feature " + f.id;
  const link = (f) => "#/feature/" + f.s + "/" + f.id;

  /** A word with its definition: on hover, and on a tap or key. */
  function def(word, key) {
    const text = D.definitions[key];
    if (!text) return word;
    return h("button", { class: "def", type: "button", title: text, onclick: (e) => { e.preventDefault(); e.stopPropagation(); pop(word, text); } }, word);
  }
  function unpop() { document.querySelectorAll(".pop").forEach((p) => p.remove()); }
  function pop(word, text) {
    unpop();
    document.body.append(h("div", { class: "pop", role: "status" }, h("b", {}, word), h("p", {}, text), h("small", {}, "From docs/metrics.md. Tap anywhere to close.")));
  }
  document.addEventListener("click", unpop);
  document.addEventListener("keydown", (e) => { if (e.key === "Escape") unpop(); });

  const tile = (word, key, value, more) => h("div", { class: "card tile" }, h("small", {}, def(word, key)), h("b", {}, value), more ? h("small", {}, more) : null);
  function table(heads, rows) {
    return h("div", { class: "card wide" }, h("table", {},
      h("thead", {}, h("tr", {}, heads.map((x) => h("th", { scope: "col" }, x)))),
      h("tbody", {}, rows.map((r) => h("tr", {}, r.map((c) => (c instanceof HTMLTableCellElement ? c : h("td", {}, c))))))));
  }
  function commands(...keys) {
    const texts = { train: "trained by", index: "features measured by", evaluate: "reconstruction measured by", steerability: "steerability measured by", report: "this page made by" };
    return h("footer", {}, keys.filter((k) => D.commands[k]).map((k) => [h("span", {}, texts[k]), h("code", {}, D.commands[k])]),
      h("p", {}, "A dotted word shows its definition when pointed at or tapped. “…” stands for an option that the files do not record."));
  }

  // ---- images --------------------------------------------------------------------------------
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  function paint(canvas, values, columns, rows, opaque) {
    canvas.width = columns; canvas.height = rows;
    const context = canvas.getContext("2d");
    const image = context.createImageData(columns, rows);
    for (let i = 0; i < rows * columns; i++) {
      const v = (values[i] || 0) / 255;
      const at = 4 * i;
      // From amber to red; what is not active stays clear.
      image.data[at] = 255; image.data[at + 1] = Math.round(190 - 170 * v); image.data[at + 2] = 20;
      image.data[at + 3] = v === 0 ? 0 : Math.round((opaque ? 40 : 50) + (opaque ? 215 : 120) * v);
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }
  function image(f, top) {
    const sae = D.saes[f.s];
    const box = h("span", { class: "image" });
    box.style.setProperty("--ratio", D.thumbSize[0] + " / " + D.thumbSize[1]);
    if (top.t >= 0) box.append(h("img", { src: "data:image/jpeg;base64," + D.thumbs[top.t], alt: top.image, title: top.image, decoding: "async" }));
    else box.append(h("span", {}, "no image"));
    if (top.map) box.append(paint(h("canvas", { "aria-hidden": "true" }), bytes(top.map), sae.columns, sae.rows, false));
    return box;
  }
  function heatButton(on) {
    const b = h("button", { class: "button", type: "button", id: "heat", "aria-pressed": String(heat), onclick: () => {
      heat = !heat; b.setAttribute("aria-pressed", String(heat)); on.classList.toggle("plain", !heat);
    } }, "Heat maps");
    on.classList.toggle("plain", !heat);
    return b;
  }

  // ---- charts ----------------------------------------------------------------------------------
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const whiskers = {
    id: "whiskers",
    afterDatasetsDraw(chart) {
      chart.data.datasets.forEach((set, i) => {
        if (!set.ranges || !chart.isDatasetVisible(i)) return;
        const c = chart.ctx; c.save(); c.strokeStyle = set.borderColor; c.lineWidth = 1.5;
        chart.getDatasetMeta(i).data.forEach((point, j) => {
          const range = set.ranges[j];
          if (!range) return;
          const low = chart.scales.y.getPixelForValue(range[0]), high = chart.scales.y.getPixelForValue(range[1]);
          c.beginPath(); c.moveTo(point.x, low); c.lineTo(point.x, high);
          c.moveTo(point.x - 3, low); c.lineTo(point.x + 3, low); c.moveTo(point.x - 3, high); c.lineTo(point.x + 3, high); c.stroke();
        });
        c.restore();
      });
    },
  };
  function chart(config, caption, low, key) {
    const canvas = h("canvas", { role: "img", "aria-label": caption });
    const box = h("figure", { class: "card" }, h("div", { class: "chart" + (low ? " low" : "") }, canvas), h("figcaption", {}, caption, key ? [" ", def("Definition", key)] : null));
    queueMicrotask(() => {
      if (!canvas.isConnected) return;
      Chart.defaults.color = colour("--muted"); Chart.defaults.borderColor = colour("--line");
      Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
      Chart.defaults.animation = false; Chart.defaults.maintainAspectRatio = false;
      charts.push(new Chart(canvas, typeof config === "function" ? config() : config));
    });
    return box;
  }
  const axis = (text, more) => ({ title: { display: true, text }, ...more });
  const set = (label, name, data, more) => ({ label, data, borderColor: colour(name), backgroundColor: colour(name), borderWidth: 2, pointRadius: 3, ...more });
  function lines(labels, sets, x, y, caption, key, more) {
    return chart(() => ({ type: "line", data: { labels, datasets: sets() },
      options: { plugins: { legend: { display: sets().length > 1, labels: { usePointStyle: true, boxWidth: 8, boxHeight: 8 } } }, scales: { x: axis(x, { offset: labels.length < 3 }), y: axis(y, more) } }, plugins: [whiskers] }), caption, false, key);
  }
  function bars(labels, values, x, y, caption, key) {
    return chart(() => ({ type: "bar", data: { labels, datasets: [{ data: values, backgroundColor: colour("--one"), categoryPercentage: 1, barPercentage: 0.94 }] },
      options: { plugins: { legend: { display: false } }, scales: { x: axis(x, { grid: { display: false }, ticks: { maxRotation: 0, autoSkip: true } }), y: axis(y, { beginAtZero: true }) } } }), caption, true, key);
  }

  /** Few values with long names: bars that lie, the names beside them. */
  function lying(labels, values, x, caption, key) {
    return chart(() => ({ type: "bar", data: { labels, datasets: [{ data: values, backgroundColor: values.map((_, i) => colour(i === 1 ? "--one" : "--three")), barPercentage: 0.8 }] },
      options: { indexAxis: "y", plugins: { legend: { display: false } }, scales: { x: axis(x, { beginAtZero: true, max: 1 }), y: { grid: { display: false } } } } }), caption, false, key);
  }

  // ---- overview --------------------------------------------------------------------------------
  function overview() {
    const main = h("main", {});
    const e = D.evaluation;
    main.append(h("h1", {}, D.run), h("p", { class: "muted path" }, whole(D.images) + " images of " + D.source + ", model " + D.model));
    if (D.missing) main.append(h("p", { class: "note" }, whole(D.missing) + " of the images shown are no longer where the index saw them; their places are grey."));
    for (const note of (e && e.notes) || []) main.append(h("p", { class: "note" }, note + "."));
    main.append(h("p", {}, "A sparse autoencoder (SAE) writes what a layer of the model passes on as a sum of few of many directions, its features. This page tells how well that works, and shows ",
      h("a", { href: "#/features" }, whole(D.features.length) + " features"), " with the images on which they are strongest."));
    const alive = D.saes.reduce((a, s) => a + (s.alive || 0), 0), all = D.saes.reduce((a, s) => a + s.features, 0);
    main.append(h("div", { class: "tiles" }, tile("SAEs", "", whole(D.saes.length)), tile("features", "", whole(all), "in all SAEs"),
      tile("alive", "alive", percent(alive / all), whole(alive) + " on these images"), tile("images", "", whole(D.images), "indexed" + (D.vocabulary ? "; " + whole(D.vocabulary) + " words to name with" : "")), tile("shown here", "", whole(D.features.length), "features")));
    if (D.edits.length) main.append(h("h2", {}, h("a", { href: "#/suppression" }, "What was taken away")), table(["edit", def("worst group before", "wga"), def("after", "wga"), def("p", "mcnemar"), def("all", "overall"), "by"], D.edits.map((e) => { const R = e.report;
      return [e.name, percent(R.baseline_wga), percent(R.edited_wga), probability(R.mcnemar_p), percent(R.overall_before) + " → " + percent(R.overall_after), isNumber(R.layer) ? whole(R.features.length) + " of layer " + R.layer : "nothing that helps"]; })));
    main.append(h("h2", {}, "SAEs"));
    main.append(table(["SAE", "features", def("L0", "l0"), def("L0 class token", "l0_grid"), def("L0 patches", "l0_grid"), def("explained variance", "explained_variance"), def("cosine", "cosine"), def("alive", "alive"), def("dense", "dense"), def("median monosemanticity", "monosemanticity"), def("cross-entropy recovered", "ce_recovered")],
      D.saes.map((s) => {
        const v = s.evaluation || {};
        const zero = v.zero_shot && v.zero_shot.ce_recovered;
        return [h("a", { href: "#/features?sae=" + D.saes.indexOf(s) }, saeName(s)), whole(s.features), fixed(s.l0, 1), fixed(s.l0Cls, 1), fixed(s.l0Patches, 1), fixed(v.explained_variance, 4), fixed(v.cosine, 4), percent(s.alive / s.features), percent(s.dense / s.features), fixed(s.mono, 3), zero ? percent(zero.mean_ablation) : "–"];
      })));
    main.append(h("p", { class: "muted" }, e ? "Explained variance, cosine and recovered: over " + whole(e.images) + " images of " + e.source + ". All else over the indexed images." : "Explained variance, cosine and recovered cross-entropy are not measured yet: clipsteer evaluate adds them."));
    byLayer(main);
    grids(main);
    zeroShot(main);
    recipe(main);
    main.append(commands("train", "index", "evaluate", "report"));
    return main;
  }
  function byLayer(main) {
    const layers = [...new Set(D.saes.map((s) => s.layer))].sort((a, b) => a - b);
    const box = h("div", { class: "pair" });
    if (layers.length > 1) {
      const best = (layer, key) => { const s = D.saes.find((x) => x.layer === layer); return s ? key(s) : null; };
      const several = D.saes.length > layers.length ? " Of several SAEs at a layer the first is drawn." : "";
      box.append(lines(layers, () => [set("patches", "--one", layers.map((l) => best(l, (s) => s.l0Patches))), set("class token", "--two", layers.map((l) => best(l, (s) => s.l0Cls)))], "layer", "L0", "Active features a token, by layer." + several, "l0", { beginAtZero: true }));
      if (D.evaluation) box.append(lines(layers, () => [set("explained variance", "--one", layers.map((l) => best(l, (s) => s.evaluation && s.evaluation.explained_variance)))], "layer", "explained variance", "How much of the layer's variance the SAE gives back." + several, "explained_variance", { max: 1, suggestedMin: 0 }));
    }
    for (const s of D.saes.slice(0, 24)) {
      const bins = s.rates.map((r) => Number(r[0]));
      if (!bins.length) continue;
      const labels = [], values = [];
      for (let b = Math.min(...bins); b <= Math.max(...bins) + 1e-9; b += 0.25) {
        labels.push(percent(10 ** b)); const hit = s.rates.find((r) => Math.abs(Number(r[0]) - b) < 1e-6); values.push(hit ? hit[1] : 0);
      }
      box.append(bars(labels, values, "share of tokens (from)", "features", saeName(s) + ": how often features are active; " + whole(s.features - s.alive) + " never are.", "frequency"));
    }
    main.append(h("h2", {}, "Sparsity and reconstruction"), box);
  }
  function grids(main) {
    const some = D.saes.filter((s) => s.evaluation && Array.isArray(s.evaluation.l0_grid));
    if (!some.length) return;
    main.append(h("h2", {}, def("L0 over the patch grid", "l0_grid")), h("div", { class: "exemplars" }, some.map((s) => {
      const grid = s.evaluation.l0_grid, flat = grid.flat().map(Number), low = Math.min(...flat), high = Math.max(...flat);
      return h("figure", {}, paint(h("canvas", { class: "map" }), flat.map((v) => (high > low ? 1 + (254 * (v - low)) / (high - low) : 128)), grid[0].length, grid.length, true), h("figcaption", {}, saeName(s) + ": " + fixed(low, 1) + " to " + fixed(high, 1)));
    })));
  }
  function zeroShot(main) {
    const some = D.saes.filter((s) => s.evaluation && s.evaluation.zero_shot);
    if (!some.length) return;
    const q = (v) => fixed(v.cross_entropy, 3) + " · " + percent(v.accuracy);
    main.append(h("h2", {}, def("Zero-shot answers", "zero_shot")), h("p", { class: "muted" }, "Cross-entropy in nats, and accuracy, with the residual as it is, as the SAE gives it back, and replaced by its mean or by zero."),
      table(["SAE", "original", "SAE", "mean", "zero", def("recovered of mean", "ce_recovered"), def("recovered of zero", "ce_recovered")], some.map((s) => { const z = s.evaluation.zero_shot;
        return [saeName(s), q(z.original), q(z.spliced), q(z.mean_ablated), q(z.zero_ablated), percent(z.ce_recovered.mean_ablation), percent(z.ce_recovered.zero_ablation)]; })));
  }
  function recipe(main) {
    const facts = Object.entries(D.recipe);
    if (!facts.length) return;
    main.append(h("h2", {}, "Recipe"), h("details", {}, h("summary", {}, "All settings of the training"), h("dl", { class: "facts card" }, facts.map(([k, v]) => [h("dt", {}, k), h("dd", {}, Array.isArray(v) ? v.join(", ") : String(v))]))));
  }

  // ---- gallery ---------------------------------------------------------------------------------
  const haystack = D.features.map((f) => [title(f), f.id, saeName(D.saes[f.s]), ...f.names.map((n) => n.word), ...f.labels.filter((l) => l.auroc >= 0.8).map((l) => l.label), ...f.tops.map((t) => t.image), f.steer ? f.steer.promoted : ""].join(" ").toLowerCase());
  const SORTS = {
    order: ["as chosen", null], mono: ["monosemanticity", (f) => -(f.mono ?? -9)], frequent: ["most frequent", (f) => -f.frequency], rare: ["rarest", (f) => f.frequency],
    max: ["largest activation", (f) => -f.max], name: ["name score", (f) => -(f.nameScore ?? -9)], label: ["best AUROC", (f) => -(f.labels[0] ? f.labels[0].auroc : 0)], s: ["steerability", (f) => -(f.steer ? f.steer.s : -1)],
  };
  const RATES = { "": ["any", 0, 1], rare: ["below 0.1 %", 0, 0.001], some: ["0.1 to 1 %", 0.001, 0.01], often: ["1 to 10 %", 0.01, 0.1], dense: ["above 10 %", 0.1, 1] };
  function matching() {
    const words = filters.text.toLowerCase().split(/\s+/).filter(Boolean), rate = RATES[filters.rate];
    let all = D.features.map((f, i) => [f, i]).filter(([f, i]) => words.every((w) => haystack[i].includes(w)) && (filters.sae === "" || f.s === Number(filters.sae)) && (!filters.why || f.why.includes(filters.why)) && f.frequency >= rate[1] && f.frequency <= rate[2]).map(([f]) => f);
    const by = SORTS[filters.sort][1];
    if (by) all = all.map((f) => [by(f), f]).sort((a, b) => a[0] - b[0]).map((x) => x[1]);
    return all;
  }
  function card(f) {
    const small = [placeName(D.saes[f.s]) + " · #" + f.id, "active on " + percent(f.frequency) + " of tokens", "monosemanticity " + fixed(f.mono, 2)];
    if (f.steer) small.push("S " + fixed(f.steer.s, 2) + " → " + (f.steer.promoted.split("; ")[0] || "–").replace(/\d+\.\d+$/, (v) => fixed(Number(v), 2)));
    return h("a", { class: "card feature", href: link(f) }, f.tops.length ? h("span", { class: "strip" }, f.tops.slice(0, 4).map((t) => image(f, t))) : null,
      h("span", { class: "word" }, title(f)), small.map((s) => h("small", {}, s)), f.why.map((w) => h("span", { class: "tag" }, WHY[w] || w)));
  }
  function select(label, key, options, again) {
    return h("label", {}, label, h("select", { id: "filter-" + key, onchange: (e) => { filters[key] = e.target.value; filters.shown = PAGE; again(); } }, options.map(([v, text]) => h("option", { value: v, selected: String(filters[key]) === String(v) }, text))));
  }
  function gallery() {
    const main = h("main", {}), grid = h("div", { class: "gallery", id: "gallery" }), count = h("p", { class: "muted", id: "count", "aria-live": "polite" }), more = h("button", { class: "button", type: "button", onclick: () => { filters.shown += PAGE; fill(); } }, "Show more");
    function fill() {
      const all = matching();
      count.textContent = all.length === 1 ? "1 feature" : whole(all.length) + " features" + (all.length ? "" : ": nothing fits; take a filter away");
      grid.replaceChildren(...all.slice(0, filters.shown).map(card));
      more.hidden = all.length <= filters.shown;
    }
    const whys = Object.keys(WHY).filter((w) => D.features.some((f) => f.why.includes(w)));
    const sorts = Object.entries(SORTS).filter(([k]) => (k !== "s" || D.steer) && (k !== "label" || D.features.some((f) => f.labels.length)) && (k !== "name" || D.vocabulary));
    main.append(h("h1", {}, "Features"), h("p", { class: "muted" }, "Of each SAE ", def("the clearest", "monosemanticity"), D.steer ? [", those that ", def("steer most", "s"), " and"] : " and", " a random sample: the best alone would flatter. Colour on an image says where the feature is active: amber weak, red strong. Each card says how often its feature is ", def("active", "frequency"), ", its ", def("monosemanticity", "monosemanticity"), D.steer ? [", and how far it ", def("steers", "s"), ", with the word it promotes most"] : "", "."));
    main.append(h("div", { class: "filters" }, h("label", { class: "search" }, "Search names, labels, files, numbers", h("input", { id: "search", type: "search", value: filters.text, placeholder: "dog", oninput: (e) => { filters.text = e.target.value; filters.shown = PAGE; fill(); } })),
      select("SAE", "sae", [["", "all"], ...D.saes.map((s, i) => [i, saeName(s)])], fill), select("Chosen as", "why", [["", "any"], ...whys.map((w) => [w, WHY[w]])], fill),
      select("Active on", "rate", Object.entries(RATES).map(([k, v]) => [k, v[0] + (k ? " of tokens" : "")]), fill), select("Order", "sort", sorts.map(([k, v]) => [k, v[0]]), fill), heatButton(grid)), count, grid, h("p", {}, more), commands("index", "report"));
    fill();
    return main;
  }

  // ---- a feature -------------------------------------------------------------------------------
  function moved(text, sign) {
    return (text || "").split("; ").filter(Boolean).map((w) => { const cut = w.lastIndexOf(" "); return [w.slice(0, cut), Number(w.slice(cut + 1))]; })
      .map(([word, by]) => h("tr", {}, h("td", { class: "wrap" }, word), h("td", { class: sign }, (by > 0 ? "+" : "−") + fixed(Math.abs(by), 3))));
  }
  function feature(s, id) {
    const f = D.features.find((x) => x.s === s && x.id === id);
    if (!f) return h("main", {}, h("h1", {}, "No such feature here"), h("p", {}, h("a", { href: "#/features" }, "To the gallery")));
    const sae = D.saes[s], all = matching(), at = all.indexOf(f), main = h("main", {}), images = h("div", { class: "exemplars" });
    const step = (n, text) => (at >= 0 && all[at + n] ? h("a", { class: "button", href: link(all[at + n]) }, text) : null);
    main.append(h("div", { class: "bar" }, h("a", { class: "button", href: "#/features" }, "Gallery"), step(-1, "‹ Before"), step(1, "Next ›"), heatButton(images)));
    main.append(h("h1", {}, title(f)), h("p", { class: "muted path" }, "Feature " + f.id + " of " + saeName(sae) + " (" + sae.sae + ") ", f.why.map((w) => h("span", { class: "tag" }, WHY[w] || w))));
    main.append(h("div", { class: "tiles" }, tile("active on", "frequency", percent(f.frequency), "of tokens"), tile("images", "frequency", percent(f.imageFrequency), whole(f.images) + " images"), tile("monosemanticity", "monosemanticity", fixed(f.mono, 3)),
      tile("largest", "mean", short(f.max), "mean when active " + short(f.meanActive)), isNumber(f.clsShare) ? tile("class token's part", "frequency", percent(f.clsShare), "of all activation") : null, f.steer ? tile("S", "s", fixed(f.steer.s, 3), "from " + fixed(f.steer.low, 3) + " to " + fixed(f.steer.high, 3)) : null));
    if (f.tops.length) {
      images.append(...f.tops.map((t) => h("figure", {}, image(f, t), h("figcaption", {}, h("b", {}, short(t.max)), " ", t.image))));
      main.append(h("h2", {}, "Strongest images"), images, h("p", { class: "muted" }, "Below each its largest activation. Colour is the activation of each patch, on one scale for all images of the feature."));
    }
    const halves = h("div", { class: "pair" });
    if (f.names.length) {
      const methods = [["both", "both"], ["images", "its images"], ["decoder", "its effect"]];
      halves.append(h("section", {}, h("h2", {}, def("Names", "names")), table(["by", h("span", { class: "left" }, "words, with their scores")], methods.map(([m, text]) => [text, h("td", { class: "wrap" }, f.names.filter((n) => n.method === m).map((n) => n.word + " " + fixed(n.score, 2)).join(", ") || "–")]))));
    }
    if (f.labels.length) halves.append(h("section", {}, h("h2", {}, "Labels"), table(["label", def("AUROC", "auroc"), "95 %", "images"], f.labels.map((l) => [h("td", { class: "wrap" }, l.label), fixed(l.auroc, 3), fixed(l.low, 2) + " to " + fixed(l.high, 2), whole(l.positives)])), h("p", { class: "muted" }, "The best of many labels: its value is flattered. Measure it again on other images.")));
    if (f.steer) halves.append(h("section", {}, h("h2", {}, def("Steering", "s")), h("div", { class: "card wide" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "word"), h("th", { scope: "col" }, def("change of P", "power")))), h("tbody", {}, moved(f.steer.promoted, "up"), moved(f.steer.suppressed, "down")))),
      h("p", { class: "muted" }, "Set to " + D.steer.strength + ": S " + fixed(f.steer.s, 3) + ", ", def("unbiased", "s"), " " + fixed(f.steer.unbiased, 3) + ", ", isNumber(f.steer.semantic) ? [def("semantic", "semantic"), " " + fixed(f.steer.semantic, 3) + ", "] : null, def("interval", "interval"), " " + fixed(f.steer.low, 3) + " to " + fixed(f.steer.high, 3) + ", over " + f.steer.images + " images.")));
    if (f.near.length) halves.append(h("section", {}, h("h2", {}, def("Like it", "like")), table(["feature", "cosine"], f.near.map((n) => { const shown = D.features.some((x) => x.s === s && x.id === n.id), text = (n.name || "feature") + " #" + n.id;
      return [h("td", { class: "wrap" }, shown ? h("a", { href: "#/feature/" + s + "/" + n.id }, text) : text), fixed(n.cos, 3)]; })), h("p", { class: "muted" }, "By decoder direction, among all features of the SAE; with a link where it is in this report.")));
    main.append(halves);
    const figures = h("div", { class: "pair" });
    if (f.hist) {
      const first = f.hist.findIndex((v) => v > 0), last = f.hist.findLastIndex((v) => v > 0), labels = [], values = [];
      for (let b = Math.max(0, first - 1); b <= Math.min(f.hist.length - 1, last + 1); b++) { labels.push(short(2 ** (b / 2 - 10))); values.push(f.hist[b]); }
      figures.append(bars(labels, values, "activation (from)", "tokens", "Tokens by activation, in half octaves.", "histogram"));
    }
    if (f.pos && sae.columns > 0) figures.append(h("figure", { class: "card" }, paint(h("canvas", { class: "map" }), bytes(f.pos), sae.columns, sae.rows, true), h("figcaption", {}, def("Mean activation by place", "positions"), "; the largest is " + short(f.posMax) + ".")));
    if (figures.childElementCount) main.append(h("h2", {}, def("Histogram", "histogram"), " and places"), figures);
    const tries = [D.commands.search + " --sae " + sae.sae + " --feature " + f.id];
    const twins = D.saes.filter((x) => x.layer === sae.layer).length > 1;
    tries.push(D.commands.steer + " --image FILE --feature " + sae.layer + ":" + f.id + (twins ? " --sae " + sae.sae.split("/").pop() : "") + " --set 150 --labels dog,cat,bird");
    main.append(h("h2", {}, "Try it"), ...tries.map((t) => h("code", { class: "command" }, t)), commands("index", "steerability", "report"));
    return main;
  }

  // ---- steerability ----------------------------------------------------------------------------
  const KINDS = [["features", "--one"], ["neurons", "--two"], ["random", "--three"]];
  function steerability() {
    const main = h("main", {}), S = D.steer, box = h("div", { class: "pair" });
    main.append(h("h1", {}, "Steerability"), h("p", {}, "How far pushing a unit moves the model's answers over " + whole(S.words) + " words: features of the SAE, and as controls neurons and random directions of equal length. " + whole(S.images) + " images, strength " + S.strength + ", τ = " + S.tau + "."));
    const layers = [...new Set(S.layers.map((l) => l.layer))].sort((a, b) => a - b);
    const kinds = KINDS.filter(([k]) => S.layers.some((l) => l.unit === k));
    const row = (layer, kind) => S.layers.find((l) => l.layer === layer && l.unit === kind);
    // The control is drawn last and dashed: where it is as high as the features, both are seen.
    const style = (k) => (k === "random" ? { borderDash: [5, 4], order: -1 } : {});
    const curve = (key, range) => () => kinds.map(([k, c]) => set(k, c, layers.map((l) => (row(l, k) ? row(l, k)[key] : null)), { ...style(k), ...(range ? { ranges: layers.map((l) => (row(l, k) ? [row(l, k).share_low, row(l, k).share_high] : null)) } : {}) }));
    const first = S.layers.filter((l) => l.unit === "features").length > layers.length ? " Of several SAEs at a layer the first is drawn." : "";
    const x = "layer";
    box.append(lines(layers, curve("share_above_tau", true), x, "share above τ", "Units with S above τ, with 95 % intervals." + first, "share", { beginAtZero: true, max: 1 }), lines(layers, curve("coverage"), x, "words", "Coverage: distinct words that some steerable unit promotes most. It grows with the number of units." + first, "coverage", { beginAtZero: true }), lines(layers, curve("mean_s"), x, "mean S", "Mean steerability." + first, "s", { beginAtZero: true }), scatter());
    main.append(box, table(["layer, units", "n", def("mean S", "s"), def("unbiased", "s"), def("above τ", "share"), def("95 %", "share"), def("coverage", "coverage")], S.layers.map((l) => ["layer " + l.layer + ", " + l.unit + (l.sae ? ", " + String(l.sae).split("/").pop() : ""), whole(l.n), fixed(l.mean_s, 4), fixed(l.mean_s_unbiased, 4), percent(l.share_above_tau), percent(l.share_low) + " to " + percent(l.share_high), whole(l.coverage)])));
    main.append(h("p", { class: "muted" }, def("What the units are", "units")));
    doses(main, S);
    vocabularies(main, S);
    findings(main, S);
    const best = D.features.filter((f) => f.steer).sort((a, b) => b.steer.s - a.steer.s).slice(0, 12);
    main.append(h("h2", {}, "Most steerable features of this report"), h("div", { class: "gallery" }, best.map(card)), commands("steerability", "report"));
    return main;
  }
  const saeEnd = (path) => (path ? ", " + String(path).split("/").pop() : "");
  const between = (v, digits) => fixed(v.value, digits) + " (" + fixed(v.low, digits) + " to " + fixed(v.high, digits) + ")";
  function doses(main, S) {
    const some = S.layers.filter((l) => l.dose);
    if (!some.length) return;
    const strengths = some[0].dose.medians.map((m) => short(m.strength)), colours = ["--one", "--two", "--three"];
    main.append(h("h2", {}, def("How strong is strong enough", "dose")), h("div", { class: "pair" },
      lines(strengths, () => some.map((l, i) => set("layer " + l.layer, colours[i % 3], l.dose.medians.map((m) => m.change), { borderDash: [[], [6, 3], [2, 2]][Math.floor(i / 3) % 3] })), "strength", "change of P", "Median change of the promoted word's probability, over the most steerable features of each SAE.", "dose", { beginAtZero: true }),
      table(["layer", "features", "strength of half the effect", "95 %"], some.map((l) => ["layer " + l.layer + saeEnd(l.sae), whole(l.dose.features), fixed(l.dose.half_strength, 1), fixed(l.dose.half_strength_low, 1) + " to " + fixed(l.dose.half_strength_high, 1)]))));
  }
  function vocabularies(main, S) {
    if (!S.vocabularies || !S.vocabularies.length) return;
    main.append(h("h2", {}, def("With parts of the vocabulary", "vocabularies")), table(["layer, units", "words", "draw", "mean S", "above τ", "coverage", "rank correlation with all words"],
      S.vocabularies.map((v) => ["layer " + v.layer + ", " + v.unit + saeEnd(v.sae), whole(v.words), v.draw, fixed(v.mean_s, 4), percent(v.share_above_tau), whole(v.coverage), between(v.rank_correlation_with_whole, 2)])));
  }
  function findings(main, S) {
    const named = (S.names || []).filter((n) => n.first && n.among);
    if (named.length) main.append(h("h2", {}, def("Do features promote their names", "names_causal")), table(["layer", "steerable", "named", "promote it most", "among five", "raise it", "any word"],
      named.map((n) => ["layer " + n.layer + saeEnd(n.sae), whole(n.steerable), whole(n.first.n), range(n.first), range(n.among), n.raised ? range(n.raised) : "–", n.raised ? percent(n.chance) : "–"])));
    if (S.locality && S.locality.length) main.append(h("h2", {}, def("Small and large features", "locality")), table(["layer", "features", "rank correlation of S with the share of the grid that is active"],
      S.locality.map((l) => ["layer " + l.layer + saeEnd(l.sae), whole(l.features), between(l.correlation, 2)])));
  }
  /** 1, 2 and 5 of each decade: all marks of a logarithmic axis would run into each other. */
  const decades = { callback: (v) => ("125".includes(v.toExponential()[0]) && !/[1-9].*[1-9]/.test(v.toExponential().split("e")[0]) ? short(v) : null) };
  function scatter() {
    const positive = (v) => v[0] > 0 && v[1] > 0;
    return chart(() => ({ type: "scatter", data: { datasets: KINDS.filter(([k]) => D.points.some((p) => p.unit === k)).map(([k, c]) => set(k, c, D.points.filter((p) => p.unit === k).flatMap((p) => p.values.filter(positive).map((v) => ({ x: v[1], y: v[0], id: v[2], layer: p.layer }))), { pointRadius: 2, borderWidth: 0, backgroundColor: colour(c) + "b0" })) },
      options: { plugins: { legend: { labels: { usePointStyle: true, boxWidth: 8, boxHeight: 8 } }, tooltip: { callbacks: { label: (i) => i.dataset.label + " " + i.raw.id + ", layer " + i.raw.layer + ": S " + short(i.raw.y) + ", " + short(i.raw.x) } } }, scales: { x: axis("power: max Δ of a word's probability", { type: "logarithmic", ticks: decades }), y: axis("S", { type: "logarithmic", ticks: decades }) } } }), "S against power, at most 400 units a layer and kind.", false, "power");
  }

  // ---- suppression -----------------------------------------------------------------------------
  const range = (v) => percent(v.value) + " (" + percent(v.low).replace(" %", "") + " to " + percent(v.high) + ")";
  // A double holds nothing smaller.
  const probability = (p) => (isNumber(p) ? (p === 0 ? "< 1e-300" : p < 0.001 ? p.toExponential(1) : p.toFixed(3)) : "–");
  function suppression() {
    const main = h("main", {}, h("h1", {}, "Suppression"), h("p", {}, "What the model leaned on and should not, taken away: features that go with it were found on training images, how many and of which layer chosen on validation images, and the one edit chosen was asked once on test images, all figures below. The baselines were chosen and asked in the same way."));
    for (const e of D.edits) edit(main, e);
    main.append(commands("report"));
    return main;
  }
  function edit(main, e) {
    const R = e.report, chosen = isNumber(R.layer);
    const s = D.saes.findIndex((x) => x.sae === R.sae);
    main.append(h("h2", {}, e.name), h("p", { class: "muted path" }, R.data));
    if (!chosen) main.append(h("p", { class: "note" }, "No set of features that is allowed helped on validation images; nothing was changed."));
    else main.append(h("p", {}, R.features.length + (R.features.length === 1 ? " feature" : " features") + " of layer " + R.layer + " (" + R.edit + ", on " + R.tokens + " tokens): ",
      R.features.map((id, i) => { const f = D.features.find((x) => x.s === s && x.id === id); return [i ? ", " : "", f ? h("a", { href: link(f) }, title(f) + " #" + id) : "#" + id]; })));
    main.append(h("div", { class: "tiles" }, tile("worst group before", "wga", percent(R.baseline_wga)), tile("after", "wga", percent(R.edited_wga), percent(R.wga_low) + " to " + percent(R.wga_high)), tile("gain", "gain", fixed(100 * (R.edited_wga - R.baseline_wga), 1) + " points", fixed(100 * R.gain_low, 1) + " to " + fixed(100 * R.gain_high, 1)),
      tile("p", "mcnemar", probability(R.mcnemar_p), R.worst_group), tile("all", "overall", percent(R.overall_before) + " → " + percent(R.overall_after))));
    main.append(table(["test images", "n", "before", "after", "gained", "lost", "p"], R.groups.map((g) => [g.group, whole(g.n), range(g.before), range(g.after), whole(g.gained), whole(g.lost), probability(g.p)])));
    const names = ["before", "features", ...R.baselines.map((b) => b.name)], values = [R.baseline_wga, R.edited_wga, ...R.baselines.map((b) => b.wga)];
    const box = h("div", { class: "pair" }, lying(names, values, "accuracy of the worst group", "Worst group on test images: without an edit, with the features taken away, and with the baselines.", "baselines"));
    const layers = [...new Set(R.sweep.map((x) => x.layer))].sort((a, b) => a - b);
    if (layers.length > 1) {
      const best = (l) => { const all = R.sweep.filter((x) => x.layer === l && isNumber(x.wga)).map((x) => x.wga); return all.length ? Math.max(...all) : null; };
      box.append(lines(layers, () => [set("best set", "--one", layers.map(best))], "layer", "worst group", "By layer: the best set that is allowed, on validation images; none where nothing helps.", "sweep", { beginAtZero: true }));
    }
    main.append(h("h3", { class: "gap" }, "Against the baselines"), box, table(["baseline", "worst group", "p", "all", "layer", "size"], R.baselines.map((b) => [b.name, percent(b.wga), probability(b.p), percent(b.overall), whole(b.layer), whole(b.size)])));
    if (R.combined) main.append(h("h3", { class: "gap" }, "Beside Defense-Prefix"), h("p", {}, "Defense-Prefix changes the question instead of the image: a learnt token stands before each class name. Things named right on the same test images:"),
      table(["defence", "nothing written", "a wrong word written", "p"], R.combined.map((c) => [c.name, range(c.clean), range(c.attacked), probability(c.p)])));
    if (R.defence && isNumber(R.defence.won_back)) main.append(h("p", {}, "Of the accuracy that the writing costs, the edit wins back " + percent(R.defence.won_back) + "."));
    if (e.command) main.append(h("footer", {}, h("span", {}, "made by"), h("code", {}, e.command)));
  }

  // ---- definitions -----------------------------------------------------------------------------
  function words() {
    return h("main", {}, h("h1", {}, "Definitions"), h("dl", { class: "facts card" }, Object.entries(D.definitions).map(([k, text]) => [h("dt", {}, k.replaceAll("_", " ")), h("dd", {}, text)])), commands("train", "index", "evaluate", "steerability", "report"));
  }

  // ---- the page --------------------------------------------------------------------------------
  function show() {
    charts.forEach((c) => c.destroy()); charts = [];
    unpop();
    const [path, query] = (location.hash || "#/").slice(1).split("?"), parts = path.split("/").filter(Boolean);
    const wanted = query && new URLSearchParams(query).get("sae");
    if (wanted !== null && wanted !== undefined && D.saes[wanted]) { filters.sae = wanted; filters.shown = PAGE; }
    const places = [["", "Overview", overview], ["features", "Features", gallery], ...(D.steer ? [["steerability", "Steerability", steerability]] : []), ...(D.edits.length ? [["suppression", "Suppression", suppression]] : []), ["definitions", "Definitions", words]];
    const here = parts[0] === "feature" ? "features" : parts[0] || "";
    const place = places.find((p) => p[0] === here) || places[0];
    const main = parts[0] === "feature" ? feature(Number(parts[1]), Number(parts[2])) : place[2]();
    app.replaceChildren(h("header", {}, h("div", {}, h("strong", {}, D.run), h("nav", {}, places.map((p) => h("a", { href: "#/" + p[0], "aria-current": p === place ? "page" : null }, p[1]))))), main);
  }
  window.addEventListener("hashchange", () => { show(); scrollTo(0, 0); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
})();
