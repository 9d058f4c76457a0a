// SPDX-License-Identifier: Apache-2.0
// Charts by Chart.js, in the colours of page.css.
let charts = [];
function dropCharts() { charts.forEach((c) => c.destroy()); charts = []; }
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const COLOURS = ["--one", "--two", "--four", "--five", "--eight", "--six", "--seven", "--three"];
const DASHES = [[], [7, 4], [2, 3]];
const POINTS = ["circle", "triangle", "rect", "rectRot", "star", "crossRot"];

const whiskers = {
  id: "whiskers",
  afterDatasetsDraw(chart) {
    chart.data.datasets.forEach((set, i) => {
      if (!set.ranges || !chart.isDatasetVisible(i)) return;
      const c = chart.ctx; c.save(); c.strokeStyle = set.borderColor; c.lineWidth = 1.5;
      chart.getDatasetMeta(i).data.forEach((point, j) => {
        const range = set.ranges[j];
        if (!range) return;
        // Along the axis of values: y, or x where bars lie.
        const lies = chart.options.indexAxis === "y", scale = lies ? chart.scales.x : chart.scales.y;
        const [low, high] = range.map((v) => scale.getPixelForValue(v)), mid = lies ? point.y : point.x;
        const line = (a, b, x, y) => { c.moveTo(...(lies ? [a, b] : [b, a])); c.lineTo(...(lies ? [x, y] : [y, x])); };
        c.beginPath(); line(low, mid, high, mid); line(low, mid - 3, low, mid + 3); line(high, mid - 3, high, mid + 3); c.stroke();
      });
      c.restore();
    });
  },
};
/** A dashed line at a value of the x axis, with its name; `above` the chart it needs some padding. */
const limit = (at, name, above) => ({
  id: "limit",
  afterDatasetsDraw(chart) {
    const c = chart.ctx, x = chart.scales.x.getPixelForValue(at), area = chart.chartArea;
    c.save(); c.strokeStyle = c.fillStyle = colour("--muted"); c.setLineDash([3, 3]);
    c.beginPath(); c.moveTo(x, area.top); c.lineTo(x, area.bottom); c.stroke();
    c.font = "11px " + Chart.defaults.font.family; c.fillText(name, x + 4, area.top + (above ? -3 : 9)); c.restore();
  },
});

/**
 * @param config of Chart.js; a function, since colours depend on the theme
 * @param more {low, key of the definition}
 */
function chart(config, caption, more = {}) {
  const canvas = h("canvas", { role: "img", "aria-label": caption });
  const box = h("figure", { class: "card" }, h("div", { class: "chart" + (more.low ? " low" : "") }, canvas), h("figcaption", {}, caption, more.key ? [" ", def("Definition", more.key)] : null));
  queueMicrotask(() => {
    if (!canvas.isConnected) return;
    Chart.defaults.color = colour("--muted"); Chart.defaults.borderColor = colour("--line");
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.animation = false; Chart.defaults.maintainAspectRatio = false;
    charts.push(new Chart(canvas, config()));
  });
  return box;
}

// ---- axes --------------------------------------------------------------------------------------
const axis = (text, more) => ({ title: { display: true, text }, ...more });
const SUPERSCRIPTS = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
const power = (exponent) => "10" + String(exponent).replace(/./g, (c) => SUPERSCRIPTS[c]);
/** Powers of ten; where the axis has less than two decades, 2 and 5 between them as well. */
function decades(least, most) {
  const wide = most >= 100 * least;
  return (v) => {
    const exponent = Math.floor(Math.log10(v) + 1e-9), lead = Math.round(v / 10 ** exponent * 1e6) / 1e6;
    if (lead === 1) return wide ? power(exponent) : short(v);
    return !wide && (lead === 2 || lead === 5) ? short(v) : null;
  };
}
/** A logarithmic axis around positive values, which says that it is one. */
function logAxis(text, values, more) {
  const least = Math.min(...values), most = Math.max(...values);
  return axis(text + " (log scale)", { type: "logarithmic", ticks: { callback: decades(least, most), autoSkip: false, maxRotation: 0 }, ...more });
}
/** Of a linear axis whose values are logarithms to base 10. */
function exponents(text, least, most) {
  const label = decades(10 ** least, 10 ** most), step = most - least >= 2 ? [0] : [0, Math.log10(2), Math.log10(5)];
  return axis(text + " (log scale)", { type: "linear", min: least, max: most, offset: false, grid: { display: false, offset: false },
    afterBuildTicks: (a) => {
      a.ticks = [];
      for (let e = Math.floor(least); e <= most; e++) for (const s of step) if (e + s >= least - 1e-9 && e + s <= most + 1e-9) a.ticks.push({ value: e + s });
    },
    ticks: { callback: (v) => label(10 ** v), maxRotation: 0, autoSkip: false } });
}
/** An axis from 0, unless values lie clearly below it. */
function fromZero(values) {
  const known = values.filter(isNumber), least = Math.min(0, ...known), most = Math.max(0, ...known);
  return least < -0.02 * most ? { beginAtZero: true } : { min: 0 };
}

// ---- kinds of charts ---------------------------------------------------------------------------
/** The nth of several series: colour, dash and point tell it apart, in the legend as well. */
function series(label, n, data, more) {
  const c = colour((more && more.colour) || COLOURS[n % COLOURS.length]);
  return { label, data, borderColor: c, backgroundColor: c, borderWidth: 2, pointRadius: 3.5, borderDash: DASHES[Math.floor(n / 4) % DASHES.length], pointStyle: POINTS[n % 4], ...more };
}
/** In the order of the series, whichever is drawn on top; with their dashes, where they are lines. */
function legend(lines, filter) {
  const one = (item, sets) => (lines ? { ...item, pointStyle: "line", lineDash: sets[item.datasetIndex].borderDash, lineWidth: 2, strokeStyle: sets[item.datasetIndex].borderColor } : item);
  return { labels: { usePointStyle: true, boxHeight: 7, pointStyleWidth: lines ? 34 : 12, filter,
    generateLabels: (c) => Chart.defaults.plugins.legend.labels.generateLabels(c).sort((a, b) => a.datasetIndex - b.datasetIndex).map((item) => one(item, c.data.datasets)) } };
}
/** Lines over a numeric x. */
function lines(sets, x, y, caption, more = {}) {
  return chart(() => {
    const all = sets();
    return { type: "line", data: { datasets: all }, plugins: [whiskers],
      options: { clip: 8, plugins: { legend: { display: all.length > 1, ...legend(true) } }, scales: { x, y: { ...y, ...(y.type ? {} : fromZero(all.flatMap((s) => s.data.map((p) => p.y)))), ...more.y } } } };
  }, caption, more);
}
/** Few values with long names: bars that lie, the names beside them. */
function lying(labels, values, x, caption, more = {}) {
  return chart(() => ({ type: "bar", data: { labels, datasets: [{ data: values, backgroundColor: values.map((_, i) => colour((more.colours || [])[i] || "--three")), barPercentage: 0.8, borderColor: colour("--ink"), ranges: more.ranges }] }, plugins: more.limit ? [whiskers, limit(...more.limit, true)] : [whiskers],
    options: { indexAxis: "y", layout: { padding: { top: more.limit ? 12 : 0 } }, plugins: { legend: { display: false } }, scales: { x: axis(x, { beginAtZero: true, ...more.x }), y: { grid: { display: false } } } } }), caption, { ...more, low: labels.length < 4 });
}
/**
 * A value by layer: a line for each kind; with one layer a bar for each kind.
 *
 * @param kinds {label, colour, dash, point, values by layer, ranges by layer}
 */
function overLayers(layers, kinds, y, caption, more = {}) {
  if (layers.length === 1) {
    return lying(kinds.map((k) => k.label), kinds.map((k) => k.values[0]), y + ", layer " + layers[0], caption, { ...more, x: more.y, colours: kinds.map((k) => k.colour), ranges: kinds.map((k) => k.ranges && k.ranges[0]) });
  }
  return lines(() => kinds.map((k, i) => series(k.label, i, layers.map((l, j) => ({ x: l, y: k.values[j] })).filter((p) => isNumber(p.y)),
    { ...(k.dash ? { borderDash: k.dash } : {}), ...(k.point ? { pointStyle: k.point, order: k.order } : {}), colour: k.colour, borderColor: colour(k.colour), backgroundColor: colour(k.colour), ranges: k.ranges })),
    axis("layer", { type: "linear", ticks: { stepSize: 1, precision: 0 } }), axis(y), caption, more);
}
/** Counts in bins whose edges are logarithms to base 10, from the first that counts to `last`. */
function histogram(edges, counts, x, y, caption, more = {}) {
  const width = edges[1] - edges[0], first = counts.findIndex((n) => n > 0);
  const least = more.least ?? edges[Math.max(0, first)], most = more.most ?? edges[counts.findLastIndex((n) => n > 0) + 1];
  return chart(() => ({ type: "bar", data: { datasets: [{ data: counts.map((n, i) => ({ x: edges[i] + width / 2, y: n })).filter((p) => p.x > least && p.x < most), backgroundColor: colour("--one"), categoryPercentage: 1, barPercentage: 0.94 }] },
    plugins: more.limit ? [limit(...more.limit)] : [],
    options: { plugins: { legend: { display: false }, tooltip: { callbacks: { title: (i) => short(10 ** (i[0].parsed.x - width / 2)) + " to " + short(10 ** (i[0].parsed.x + width / 2)) } } }, scales: { x: exponents(x, least, most), y: axis(y, { beginAtZero: true, ticks: { precision: 0 } }) } } }), caption, { low: true, ...more });
}
