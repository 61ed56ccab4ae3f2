"use strict";

/* Target and one version beside each other: routes, knobs, menus. `differences`: by method. */
function drawComparison(node, differences) {
  const methods = Object.keys(differences);
  const first = ["match", "prediction"].find((method) => methods.includes(method)) || methods[0];
  const body = el("div", { class: "comparison" });
  const draw = (method) => body.replaceChildren(...comparisonOf(differences[method], methodName(method)));
  const choice = segmented("Compare with", methods.map((method) => [method, methodName(method)]), first, draw);
  node.append(el("div", { class: "bar" }, el("h3", {}, "The preset, beside the target’s"), choice), body);
  draw(first);
}

function comparisonOf(difference, name) {
  if (difference.problem) return [el("p", { class: "problem" }, difference.problem)];
  return [
    el("div", { class: "routes" },
      routeList("Routes found", difference.found, true),
      routeList("Missed", difference.missed, false),
      routeList("Invented", difference.invented, false)),
    el("div", { class: "controls" }, knobTable(difference, name), menuTable(difference.menus, name)),
    el("p", { class: "hint" }, "Compared by name. Oscillators, LFOs and envelopes can stand in for each other, so two presets that differ here may sound alike."),
  ];
}

function routeList(title, routes, both) {
  const items = routes.map((route) => el("li", {},
    el("span", { class: "route" }, controlName(route.source), el("i", {}, "→"), controlName(route.destination)),
    el("span", { class: "amount" }, both ? `${number(route.target, 2)} → ${number(route.match, 2)}` : number(route.target ?? route.match, 2))));
  return el("section", {}, el("h4", {}, title, el("span", { class: "count" }, String(routes.length))),
    items.length ? el("ul", {}, items) : el("p", { class: "muted" }, "None"));
}

function knobTable(difference, name) {
  const rows = difference.knobs.map((knob) => {
    const range = el("span", { class: "track" }, el("span", { class: "span" }), el("span", { class: "from" }), el("span", { class: "to" }));
    const [low, high] = [knob.target_norm, knob.match_norm].sort((a, b) => a - b);
    range.children[0].style.left = `${100 * low}%`;
    range.children[0].style.width = `${100 * (high - low)}%`;
    range.children[1].style.left = `${100 * knob.target_norm}%`;
    range.children[2].style.left = `${100 * knob.match_norm}%`;
    return el("tr", {}, el("th", { scope: "row" }, controlName(knob.name)),
      el("td", { class: "number" }, minus(knob.target)), el("td", { class: "range" }, range), el("td", { class: "number accent" }, minus(knob.match)));
  });
  const title = `${difference.knobs.length} of ${difference.knobs_audible} audible`;
  return el("section", {}, el("h4", {}, "Knobs that differ most", el("span", { class: "count" }, title)),
    el("table", { class: "knobs" },
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Knob"), el("th", { scope: "col", class: "number" }, "Target"),
        el("th", { scope: "col", class: "range" }, "Range"), el("th", { scope: "col", class: "number accent" }, name))),
      el("tbody", {}, rows)));
}

function menuTable(menus, name) {
  const rows = menus.map((menu) => el("tr", {},
    el("th", { scope: "row" }, controlName(menu.name)), el("td", {}, menu.target), el("td", { class: "accent" }, menu.match)));
  const head = el("tr", {}, el("th", { scope: "col" }, "Menu"), el("th", { scope: "col" }, "Target"), el("th", { scope: "col", class: "accent" }, name));
  return el("section", {}, el("h4", {}, "Menus that differ", el("span", { class: "count" }, String(menus.length))),
    menus.length ? el("table", { class: "menus" }, el("thead", {}, head), el("tbody", {}, rows)) : el("p", { class: "muted" }, "None"));
}
