"use strict";

/* An element with attributes and children. Text is set as text, never read as markup: names come from strangers. */
function el(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/* Buttons of which one is pressed. `options`: [value, label] pairs. */
function segmented(label, options, chosen, choose) {
  const group = el("div", { class: "segmented", role: "group", "aria-label": label });
  for (const [value, text] of options) {
    group.append(
      el("button", { type: "button", "aria-pressed": String(value === chosen), onclick: () => press(value) }, text),
    );
  }
  function press(value) {
    options.forEach(([other], i) => group.children[i].setAttribute("aria-pressed", String(other === value)));
    choose(value);
  }
  return group;
}

function number(value, digits) {
  if (value === null || value === undefined) return "–";
  return minus(value.toFixed(digits).replace(/^-(?=[0.]*$)/, ""));
}

/* A number's text with a minus as wide as a digit. */
function minus(text) {
  return text.replace(/^-/, "−");
}

function percent(share) {
  return share === null || share === undefined ? "–" : `${number(100 * share, 0)}\u00a0%`;
}

/* `prediction+100` is shown as `Prediction + 100`. */
function methodName(method) {
  const spaced = method.replace("+", " + ");
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/* Names of controls are easier to read with spaces; a no-break space keeps a module and its number together. */
function controlName(name) {
  return name.replace(/_(\d)(?=_|$)/g, "\u00a0$1").replaceAll("_", " ");
}
