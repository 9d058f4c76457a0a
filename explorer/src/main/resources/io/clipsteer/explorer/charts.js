// SPDX-License-Identifier: Apache-2.0
// Bars, a scatter plot, and maps of patches.
import { h, number } from "./parts.js";

/** Counts as bars; empty bins at both ends are not drawn. */
export function histogram(all, label) {
  const last = all.findLastIndex((n) => n > 0);
  const counts = all.slice(Math.max(0, all.findIndex((n) => n > 0)), last + 1);
  const most = Math.max(1, ...counts);
  const width = 100 / counts.length;
  return h("svg", { class: "histogram", viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img", "aria-label": label },
    counts.map((n, k) => h("rect", { x: k * width, y: 40 - (40 * n) / most, width: width * 0.9, height: (40 * n) / most })));
}

/** Numbers of positions as a grid, on a scale of their own. */
export function grid(values, columns, label) {
  const most = Math.max(...values, 1e-12);
  return h("div", { class: "cells", role: "img", "aria-label": label, style: { "grid-template-columns": `repeat(${columns}, 1fr)` } },
    values.map((v) => h("span", { style: { opacity: 0.08 + (0.92 * v) / most }, title: number(v) })));
}

const AXES = { frequency: true, image_frequency: true, max: true, mean: true };

/** Points of features; a dragged rectangle calls `brushed` with the features in it, and the ranges of both columns. */
export function scatter(x, y, names, brushed) {
  const value = (v, name) => (AXES[name] ? Math.log10(v) : v);
  const points = [];
  for (let k = 0; k < x.length; k++) {
    const px = value(x[k], names[0]), py = value(y[k], names[1]);
    if (Number.isFinite(px) && Number.isFinite(py)) points.push([px, py, k]);
  }
  const bounds = [0, 1].map((axis) => {
    let low = Infinity, high = -Infinity;
    for (const p of points) { low = Math.min(low, p[axis]); high = Math.max(high, p[axis]); }
    return low < high ? [low, high] : [low - 1, low + 1];
  });
  const W = 640, H = 360, L = 12;
  const canvas = h("canvas", { width: W, height: H, class: "scatter", role: "img", "aria-label": `${points.length} features: ${names[0]} to the right, ${names[1]} upwards` });
  const context = canvas.getContext("2d");
  const screen = (p) => [L + ((W - 2 * L) * (p[0] - bounds[0][0])) / (bounds[0][1] - bounds[0][0]), H - L - ((H - 2 * L) * (p[1] - bounds[1][0])) / (bounds[1][1] - bounds[1][0])];
  const back = (sx, sy) => [bounds[0][0] + ((sx - L) / (W - 2 * L)) * (bounds[0][1] - bounds[0][0]), bounds[1][0] + ((H - L - sy) / (H - 2 * L)) * (bounds[1][1] - bounds[1][0])];
  function draw(box) {
    context.clearRect(0, 0, W, H);
    context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--one");
    context.globalAlpha = points.length > 5000 ? 0.25 : 0.55;
    for (const p of points) {
      const [sx, sy] = screen(p);
      context.fillRect(sx - 1.5, sy - 1.5, 3, 3);
    }
    context.globalAlpha = 1;
    if (box) {
      context.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--ink");
      context.strokeRect(box[0], box[1], box[2] - box[0], box[3] - box[1]);
    }
  }
  const at = (event) => {
    const r = canvas.getBoundingClientRect();
    return [((event.clientX - r.left) * W) / r.width, ((event.clientY - r.top) * H) / r.height];
  };
  let from = null;
  canvas.addEventListener("pointerdown", (event) => {
    from = at(event);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => from && draw([...from, ...at(event)]));
  canvas.addEventListener("pointerup", (event) => {
    if (!from) return;
    const to = at(event);
    const start = from;
    from = null;
    if (Math.abs(to[0] - start[0]) < 4 || Math.abs(to[1] - start[1]) < 4) return draw(null);
    const inData = (p) => p.map((v, axis) => Math.min(bounds[axis][1], Math.max(bounds[axis][0], v)));
    const a = inData(back(Math.min(start[0], to[0]), Math.max(start[1], to[1])));
    const b = inData(back(Math.max(start[0], to[0]), Math.min(start[1], to[1])));
    const inside = points.filter((p) => p[0] >= a[0] && p[0] <= b[0] && p[1] >= a[1] && p[1] <= b[1]).map((p) => p[2]);
    const raw = (v, name) => Number((AXES[name] ? 10 ** v : v).toPrecision(5));
    brushed(inside, [[raw(a[0], names[0]), raw(b[0], names[0])], [raw(a[1], names[1]), raw(b[1], names[1])]]);
  });
  canvas.addEventListener("pointercancel", () => { from = null; draw(null); });
  draw(null);
  const end = (axis, k) => number(AXES[names[axis]] ? 10 ** bounds[axis][k] : bounds[axis][k]);
  return h("figure", {}, canvas, h("figcaption", {}, `To the right ${names[0].replaceAll("_", " ")} ${end(0, 0)} to ${end(0, 1)}, ${AXES[names[0]] ? "logarithmic" : "linear"}; upwards ${names[1].replaceAll("_", " ")} ${end(1, 0)} to ${end(1, 1)}, ${AXES[names[1]] ? "logarithmic" : "linear"}. Drag a rectangle to list its features.`));
}

/** Distinct colours of classes, by number. */
export function classColour(k) {
  return `hsl(${(k * 137.508) % 360}deg ${55 + 15 * (k % 3)}% ${42 + 12 * (Math.floor(k / 3) % 3)}%)`;
}

/** Classes of patches as colours; `shown` says which patches are drawn. */
export function classMap(classes, columns, label, shown = () => true) {
  const rows = classes.length / columns;
  const canvas = h("canvas", { width: columns, height: rows, class: "classes", role: "img", "aria-label": label });
  const context = canvas.getContext("2d");
  classes.forEach((c, k) => {
    if (!shown(k)) return;
    context.fillStyle = classColour(c);
    context.fillRect(k % columns, Math.floor(k / columns), 1, 1);
  });
  return canvas;
}

/** Shares of some classes over strengths, a line each, with the numbers in a table for those who cannot see it. */
export function curve(strengths, series, label) {
  const W = 320, H = 140, L = 8;
  const x = (v) => L + ((W - 2 * L) * (v - strengths[0])) / (strengths.at(-1) - strengths[0]);
  const y = (v) => H - L - (H - 2 * L) * v;
  const colours = ["var(--one)", "var(--two)", "var(--muted)"], dashes = ["", "6 3", "2 3"];
  const zero = x(0);
  return h("figure", { class: "curve" },
    h("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label },
      h("line", { x1: zero, x2: zero, y1: L, y2: H - L, stroke: "var(--line)" }), h("line", { x1: L, x2: W - L, y1: y(0), y2: y(0), stroke: "var(--control)" }),
      series.map(([, values], k) => h("path", { d: values.map((v, i) => `${i ? "L" : "M"}${x(strengths[i]).toFixed(1)} ${y(v).toFixed(1)}`).join(""), fill: "none", stroke: colours[k], "stroke-width": 2, "stroke-dasharray": dashes[k] }))),
    h("figcaption", {}, `${strengths[0]} to ${strengths.at(-1)} times its maximum; `, series.map(([name, values], k) => h("span", {}, h("i", { class: "key", style: { background: colours[k] } }), ` ${name} (${(100 * values[0]).toFixed(0)} to ${(100 * values.at(-1)).toFixed(0)} %) `))));
}
