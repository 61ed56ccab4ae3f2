// Go on from the chosen candidate: variations, a search, and the steps back.

const LOCKS = [["oscillators", "oscillators"], ["filters", "filters"], ["effects", "effects"], ["envelopes", "envelopes"], ["lfos", "LFOs"]];
const MOST_STEPS = 30;

function selectOf(label, options, value) {
  const made = node("select", { "aria-label": label });
  for (const [one, text] of options) made.append(node("option", { value: one }, text));
  made.value = value;
  return made;
}

// onVary({locked, away_db}), onRefine({locked, seconds}) and onUndo() are called when the buttons are pressed.
function makeGoOn(onVary, onRefine, onUndo) {
  const locks = LOCKS.map(([name, text]) => {
    const box = node("input", { type: "checkbox", value: name });
    return { box, label: node("label", { class: "vx-lock" }, box, ` ${text}`) };
  });
  const away = selectOf("How different", [[1.5, "a little different"], [3, "different"], [6, "very different"]], "3");
  const seconds = selectOf("Seconds to search", [10, 30, 60, 180].map((value) => [value, `${value} s`]), "30");
  const locked = () => locks.filter(({ box }) => box.checked).map(({ box }) => box.value);
  const vary = node("button", { type: "button", onclick: () => onVary({ locked: locked(), away_db: Number(away.value) }) }, "More like this");
  const refine = node("button", { type: "button", onclick: () => onRefine({ locked: locked(), seconds: Number(seconds.value) }) }, "Refine this one");
  const undo = node("button", { type: "button", class: "vx-undo", onclick: onUndo }, "Undo");
  const element = node(
    "div",
    { class: "vx-goon" },
    node("h4", {}, "Go on from here"),
    node("div", { class: "vx-row" }, node("span", { class: "vx-pair" }, vary, away), node("span", { class: "vx-pair" }, refine, node("label", {}, "for ", seconds)), undo),
    node("fieldset", { class: "vx-row vx-locks" }, node("legend", {}, "Keep as they are:"), ...locks.map(({ label }) => label)),
    node("p", { class: "vx-hint" }, "Variations turn some knobs. A search turns knobs too, and keeps what is nearer to your sound."),
  );
  function show(ready, step) {
    vary.disabled = refine.disabled = !ready;
    undo.disabled = !step;
    undo.textContent = step ? `Undo: ${step.text}` : "Undo";
  }
  return { element, show };
}

// What can be undone, the latest last: {text, chosen, macros, ids}. `ids`: the cards that the step has made, if any.
function makeSteps() {
  let steps = [];
  return {
    add: (step) => (steps = [...steps, step].slice(-MOST_STEPS)),
    pop: () => steps.pop(),
    last: () => steps[steps.length - 1],
    clear: () => (steps = []),
  };
}
