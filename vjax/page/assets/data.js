"use strict";

/* The data of a page, which Python wrote into it, and what is chosen. */
const report = JSON.parse(document.getElementById("report-data").textContent);
const chosen = { metric: 0, statistic: "mean" };

/* Without a random preset or a re-render reference, as for recordings and in a match, a metric has no shares. */
function hasShares(metric) {
  return report.methods.some((method) => report.summary && shareOf(report.summary[method][metric]) !== null);
}

function drawFacts() {
  document.getElementById("facts").append(...report.facts.map(([name, text]) =>
    el("span", {}, el("span", { class: "muted" }, `${name} `), text)));
}
