// What the chosen candidate is made of.

function drawing(one) {
  const values = one.values;
  const points = values.map((value, i) => `${(i / (values.length - 1)) * 200},${(60 - 56 * value + 2 - 4).toFixed(1)}`);
  const made = svg("svg", { viewBox: "0 -2 200 64", preserveAspectRatio: "none", role: "img", "aria-label": `The curve of ${one.name}` });
  made.append(svg("polyline", { points: points.join(" ") }));
  return node("figure", { class: "vx-drawing" }, made, node("figcaption", {}, `${one.name}, ${one.unit}`));
}

function svg(tag, settings) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(settings)) made.setAttribute(name, value);
  return made;
}

// A whole wavetable: its cycles one behind the other, the first in front. The one that plays has the accent's colour.
function tablePicture(table) {
  const n = table.frames.length;
  const depth = Math.min(1, (n - 1) / 12);
  const made = svg("svg", { viewBox: "0 0 240 120", role: "img", "aria-label": `The wavetable of ${table.name}` });
  const played = Math.round(table.at * (n - 1));
  const line = (k) => {
    const back = n > 1 ? (depth * k) / (n - 1) : 0;
    const [left, middle] = [6 + 52 * back, 60 + 24 * depth - 48 * back];
    const [width, height] = [228 - 54 * depth, 48 - 20 * depth];
    const points = table.frames[k].map((value, i) => `${(left + (width * i) / (table.frames[k].length - 1)).toFixed(1)},${(middle - height * value).toFixed(1)}`);
    return svg("polyline", { points: points.join(" "), class: k === played ? "vx-played" : "vx-frame" });
  };
  for (let k = n - 1; k >= 0; k -= 1) if (k !== played) made.append(line(k));
  made.append(line(played));
  const cycles = table.cycles === 1 ? "one cycle" : `${table.cycles} cycles`;
  const text = table.cycles === 1 ? cycles : `${cycles}, ${table.moves ? "moves from" : "plays"} ${Math.round(100 * table.at)} %`;
  return node("figure", { class: "vx-drawing vx-table" }, made, node("figcaption", {}, `${table.name}, ${text}`));
}

function partsList(parts) {
  const list = node("dl", { class: "vx-parts" });
  for (const part of parts) list.append(node("dt", {}, part.name), node("dd", {}, part.text));
  return list;
}

function routesTable(routes) {
  if (!routes.length) return node("p", {}, "No modulation routes.");
  const rows = routes.map((route) =>
    node(
      "tr",
      {},
      node("td", {}, route.source),
      node("td", {}, route.destination),
      node("td", { class: "vx-number" }, (route.bipolar ? "± " : "") + route.amount),
      node("td", {}, route.moves),
    ),
  );
  const head = ["source", "moves", "amount", "by at most"].map((text) => node("th", { scope: "col" }, text));
  return node(
    "div",
    { class: "vx-scroll" },
    node("table", {}, node("thead", {}, node("tr", {}, ...head)), node("tbody", {}, ...rows)),
  );
}

// Sliders of the macros. onTurn(number, value, name) is called when one is let go.
function macroSliders(macros, values, onTurn) {
  return macros.map((macro) => {
    const value = values[macro.number] ?? macro.value;
    const shown = node("output", {}, `${Math.round(100 * value)} %`);
    const slider = node("input", {
      type: "range",
      min: 0,
      max: 1,
      step: 0.01,
      value,
      "aria-label": `Macro ${macro.name}`,
      oninput: (event) => (shown.textContent = `${Math.round(100 * event.target.value)} %`),
      onchange: (event) => onTurn(macro.number, Number(event.target.value), macro.name),
    });
    return node("label", { class: "vx-macro" }, node("span", {}, macro.name), slider, shown);
  });
}

// The steps of a beginner who builds the preset in Vital.
function stepsList(steps) {
  return node("ol", { class: "vx-steps" }, ...steps.map((step) =>
    node("li", {}, node("b", {}, step.title), node("ul", {}, ...step.sentences.map((text) => node("li", {}, text))))));
}

function insideElement(found, values, onTurn) {
  const edit = found.editable ? "It is easy to edit." : `It is not easy to edit: ${found.reasons.join("; ")}.`;
  const sections = [node("h4", {}, "What it is made of"), partsList(found.parts), node("p", { class: "vx-hint" }, edit)];
  if (found.macros.length) {
    sections.push(node("h4", {}, "Macros"));
    sections.push(node("div", { class: "vx-macros" }, ...macroSliders(found.macros, values, onTurn)));
    sections.push(node("p", { class: "vx-hint" }, "Let a slider go to hear it. The keyboard and a download keep its value."));
  }
  if (found.tables.length) {
    sections.push(node("h4", {}, "Wavetables"), node("div", { class: "vx-tables" }, ...found.tables.map(tablePicture)));
  }
  if (found.drawings.length) {
    sections.push(node("h4", {}, "Curves"), node("div", { class: "vx-drawings" }, ...found.drawings.map(drawing)));
  }
  sections.push(node("details", { class: "vx-made" },
    node("summary", {}, `How it is made, in ${found.steps.length} steps`), stepsList(found.steps)));
  sections.push(node("details", {}, node("summary", {}, `Modulation routes (${found.routes.length})`), routesTable(found.routes)));
  if (found.comments) {
    sections.push(node("details", {}, node("summary", {}, "Comment in the preset"), node("p", { class: "vx-comment" }, found.comments)));
  }
  return node("div", {}, ...sections);
}
