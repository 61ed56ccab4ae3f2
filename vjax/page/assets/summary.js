"use strict";

const PLOT = { width: window.innerWidth < 640 ? 130 : 240, height: 22, low: -0.5, high: 1.15 };

function drawChoices() {
  const metrics = report.metrics.map((metric, i) => [i, metric.label])
    .filter(([i]) => report.methods.some((method) => report.summary[method][i].n));
  const statistics = [["mean", "Mean"], ["median", "Median"]];
  document.getElementById("choices").append(
    segmented("Metric", metrics, chosen.metric, (value) => { chosen.metric = value; drawSummary(); drawScores(); }),
    segmented("Average", statistics, chosen.statistic, (value) => { chosen.statistic = value; drawSummary(); drawElsewhere(); }),
  );
}

/* The table of conditions that were not recorded; hidden without any. */
function drawElsewhere() {
  const { conditions, methods } = report.elsewhere;
  document.getElementById("elsewhere-section").hidden = !methods.length;
  document.getElementById("elsewhere-statistic").textContent = chosen.statistic;
  const head = el("tr", {}, el("th", { scope: "col" }, "Method"),
    conditions.map((name) => el("th", { scope: "col", class: "number" }, name)));
  const rows = methods.map(({ method, cells }) => el("tr", { "data-method": method },
    el("th", { scope: "row" }, methodName(method)),
    cells.map((cell) => el("td", { class: "number", title: `${cell.n} sounds` }, number(cell[chosen.statistic], 2)))));
  document.getElementById("elsewhere").replaceChildren(el("thead", {}, head), el("tbody", {}, rows));
}

/* The tables about recordings, whose cells are texts; none without recordings. */
function drawRecordings() {
  const kind = (i, numbers) => (i > 0 && i <= numbers ? "number" : null);
  const parts = report.recordings.map(({ title, head, rows, numbers, note }) => el("section", { class: "recordings" },
    el("h2", {}, title),
    el("div", { class: "scroll", tabindex: "-1" }, el("table", {},
      el("thead", {}, el("tr", {}, head.map((name, i) => el("th", { scope: "col", class: kind(i, numbers) }, name)))),
      el("tbody", {}, rows.map(([first, ...others]) => el("tr", {}, el("th", { scope: "row" }, first),
        others.map((text, i) => el("td", { class: kind(i + 1, numbers) }, text))))))),
    el("p", { class: "hint" }, note)));
  document.getElementById("elsewhere-section").after(...parts);
}

/* The table of knobs that were turned; hidden without any. */
function drawTurns() {
  document.getElementById("turns-section").hidden = !report.turns.length;
  const columns = [["Presets", "n", (n) => String(n)], ["Cutoff works", "cutoff", percent], ["Macros work", "macros", percent],
    ["File (kB)", "kilobytes", (size) => number(size, 0)]];
  const head = el("tr", {}, el("th", { scope: "col" }, "Method"),
    columns.map(([title]) => el("th", { scope: "col", class: "number" }, title)));
  const rows = report.turns.map((found) => el("tr", { "data-method": found.method },
    el("th", { scope: "row" }, methodName(found.method)),
    columns.map(([, key, text]) => el("td", { class: "number" }, text(found[key])))));
  document.getElementById("turns").replaceChildren(el("thead", {}, head), el("tbody", {}, rows));
}

function shareOf(entry) {
  return chosen.statistic === "mean" ? entry.share : entry.share_of_medians;
}

function drawSummary() {
  const range = plotRange();
  const columns = report.metrics.map((_, i) => i).filter((i) => report.metrics[i].trait === report.metrics[chosen.metric].trait
    && report.methods.some((method) => report.summary[method][i].n));  // an older evaluation lacks some metrics
  const shares = hasShares(chosen.metric);
  document.getElementById("shares").hidden = !columns.some(hasShares);
  const head = el("tr", {},
    el("th", { scope: "col" }, "Method"),
    shares ? el("th", { scope: "col", class: "plot" }, axis(range)) : null,
    columns.map((i) =>
      el("th", { scope: "col", class: i === chosen.metric ? "number chosen" : "number" },
        report.metrics[i].label, el("small", {}, `${report.metrics[i].unit} ${report.metrics[i].higher ? "↑" : "↓"}`))),
  );
  const rows = report.methods.map((method) => {
    const entries = report.summary[method];
    const about = [report.meanings[method], report.editing[method]].filter((text) => text);
    return el("tr", { "data-method": method },
      el("th", { scope: "row" }, methodName(method), about.map((text) => el("small", {}, text))),
      shares ? el("td", { class: "plot" }, mark(entries[chosen.metric], range, method)) : null,
      columns.map((i) => {
        const entry = entries[i];
        const value = number(entry[chosen.statistic], report.metrics[i].digits);
        const title = `${entry.n} sounds; mean ${number(entry.mean, report.metrics[i].digits)}, ` +
          `median ${number(entry.median, report.metrics[i].digits)}`;
        return el("td", { class: i === chosen.metric ? "number chosen" : "number", title },
          value, hasShares(i) ? el("span", { class: "share" }, percent(shareOf(entry))) : null);
      }),
    );
  });
  document.getElementById("summary").replaceChildren(el("thead", {}, head), el("tbody", {}, rows));
  document.getElementById("marks").textContent = chosen.statistic === "mean"
    ? "Shares are ratios of means, with 95 % bootstrap intervals over sounds." : "Shares are ratios of medians.";
}

/* The part of the axis that all methods need, within limits: a method may be far worse than random. */
function plotRange() {
  const shares = report.methods.map((method) => shareOf(report.summary[method][chosen.metric])).filter((s) => s !== null);
  return {
    low: Math.max(PLOT.low, Math.min(-0.05, ...shares.map((s) => s - 0.05))),
    high: Math.min(PLOT.high, Math.max(1.05, ...shares.map((s) => s + 0.05))),
  };
}

function xOf(share, range) {
  const inside = Math.min(Math.max(share, range.low), range.high);
  return 6 + ((inside - range.low) / (range.high - range.low)) * (PLOT.width - 12);
}

function axis(range) {
  const labels = (PLOT.width > 200 ? [0, 0.5, 1] : [0, 1]).map((share) =>
    svg("text", { x: xOf(share, range), y: 12, "text-anchor": share === 1 ? "end" : "middle" }, percent(share)));
  return svg("svg", { width: PLOT.width, height: 16, "aria-hidden": "true" }, labels);
}

function mark(entry, range, method) {
  const share = shareOf(entry);
  const middle = PLOT.height / 2;
  const lines = [0, 0.5, 1].map((at) =>
    svg("line", { class: "grid", x1: xOf(at, range), x2: xOf(at, range), y1: 0, y2: PLOT.height }));
  const plot = svg("svg",
    { width: PLOT.width, height: PLOT.height, role: "img", "aria-label": `${methodName(method)}: ${percent(share)}` }, lines);
  if (share === null) return plot;
  plot.append(svg("line", { class: "stem", x1: xOf(0, range), x2: xOf(share, range), y1: middle, y2: middle }));
  if (chosen.statistic === "mean" && entry.interval) {
    const [low, high] = entry.interval.map((end) => xOf(end, range));
    plot.append(svg("line", { class: "interval", x1: low, x2: high, y1: middle, y2: middle }));
  }
  const x = xOf(share, range);
  const outside = share < range.low || share > range.high;
  plot.append(outside
    ? svg("path", { class: "dot", d: share < 0 ? `M${x - 5} ${middle}l7 -4.5v9z` : `M${x + 5} ${middle}l-7 -4.5v9z` })
    : svg("circle", { class: "dot", cx: x, cy: middle, r: 4 }));
  return plot;
}
