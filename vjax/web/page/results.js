// Puts the parts together. `element`, `props`, `server`, `trigger` and `watch` are Gradio's.

const root = element.querySelector(".vx");
const player = makePlayer((audible) => {
  markAudible(root, audible);
  markPlaying(audible);
});
let shown = { cards: [], token: "" };
let chosen = "";
let picked = false; // whether the musician has chosen a card; else the best one is chosen
let macrosOf = {}; // the macros that the musician has turned, by card
const steps = makeSteps();
let detailOf = "";

const cardsBox = node("div", { class: "vx-groups" });
const toolbar = node("div", { class: "vx-toolbar", role: "group", "aria-label": "Compare" });
const keys = node("div", { class: "vx-keyboard" });
const message = node("p", { class: "vx-message", role: "status", "aria-live": "polite" });
const insideBox = node("div", { class: "vx-inside" });
const title = node("h2", {});
const nameField = node("input", { type: "text", maxlength: 80, "aria-label": "Name of the preset" });
const styleField = node("select", { "aria-label": "Style of the preset" });
const takeBox = node("div", { class: "vx-take" });
const goOn = makeGoOn((how) => trigger("vary", goOnFrom(how)), (how) => trigger("refine", goOnFrom(how)), undo);
const metricsBox = node("details", { class: "vx-metrics" });
const detail = node(
  "section",
  { class: "vx-detail", "aria-label": "The chosen candidate" },
  title,
  takeBox,
  keys,
  node("p", { class: "vx-hint" }, "Click the keys, or focus one and type A W S E D F … The engine renders each note once."),
  message,
  goOn.element,
  insideBox,
  metricsBox,
);
root.replaceChildren(toolbar, cardsBox, detail);
const keyboard = makeKeyboard(keys, (note) => server.play_note({ ...request(), note }), say);

function say(text) {
  message.textContent = text;
}

function request() {
  return { token: shown.token, id: chosen, macros: macros(), name: nameField.value, style: styleField.value };
}

function macros() {
  return macrosOf[chosen] || {};
}

function goOnFrom(how) {
  return { id: chosen, macros: macros(), ...how };
}

function cardOf(id) {
  return shown.cards.find((card) => card.id === id);
}

// The sounds that play in parallel with `id`: all cards, so that each switch is gapless.
function urls() {
  return new Map(shown.cards.map((card) => [card.id, card.audio]));
}

function playOrStop(id) {
  if (player.audible() === id) player.stop();
  else player.play(id, urls());
}

function choose(id) {
  picked = true;
  setChosen(id);
  draw();
}

function setChosen(id) {
  chosen = id;
}

function markPlaying(audible) {
  for (const button of toolbar.querySelectorAll("[data-side]")) {
    const id = button.dataset.side === "target" ? "target" : chosen;
    button.setAttribute("aria-pressed", String(audible === id));
  }
}

function drawToolbar() {
  if (toolbar.children.length) return;
  const side = (name, text) =>
    node("button", { type: "button", "data-side": name, "aria-pressed": "false", onclick: () => playOrStop(name === "target" ? "target" : chosen) }, text);
  const loop = node("input", { type: "checkbox", onchange: (event) => player.loop(event.target.checked) });
  toolbar.append(
    node("div", { class: "vx-sides" }, side("target", "A: your sound"), side("chosen", "B: chosen")),
    node("label", {}, loop, " Loop"),
    node("span", { class: "vx-hint" }, "All play at the same loudness; a switch has no gap."),
  );
}

function drawTake(card) {
  const button = (text, act, main = false) =>
    node("button", { type: "button", class: main ? "vx-main" : "", onclick: act, disabled: !card.final }, text);
  const children = [
    node("label", {}, "Name ", nameField),
    node("label", {}, "Style ", styleField),
    button("Download preset", async () => {
      const file = await server.preset_file(request());
      if (file.error) say(file.error);
      else save(file.name, file.text, "application/json");
    }, true),
    button("All candidates (ZIP)", async () => {
      say("Packing …");
      const file = await server.all_files({ token: shown.token });
      say(file.error || "");
      if (!file.error) save(file.name, bytesOf(file.base64), "application/zip");
    }),
  ];
  if (shown.install) {
    children.push(button("Save to Vital", async () => {
      const done = await server.install_preset(request());
      say(done.error || `Saved: ${done.path}`);
    }));
  }
  takeBox.replaceChildren(...children);
}

function drawMetrics(card) {
  const rows = card.metrics.map(([name, value]) => node("tr", {}, node("th", { scope: "row" }, name), node("td", { class: "vx-number" }, value)));
  metricsBox.replaceChildren(node("summary", {}, "Distances in numbers"), node("p", {}, `Found as: ${card.label}`), node("div", { class: "vx-scroll" }, node("table", {}, node("tbody", {}, ...rows))));
}

async function drawInside() {
  const key = detailOf;
  const found = await server.look_inside(request());
  if (key !== detailOf) return;
  if (found.error) insideBox.replaceChildren(node("p", {}, found.error));
  else insideBox.replaceChildren(insideElement(found, macros(), turn));
}

function turn(number, value, name) {
  steps.add({ text: name, chosen, macros: macros() });
  setMacros({ ...macros(), [number]: value });
  keyboard.press(shown.note);
}

function setMacros(values) {
  macrosOf = { ...macrosOf, [chosen]: values };
  keyboard.show(shown.note);
  drawGoOn();
}

// Steps back: macros as they were before, or without the cards that a search or variations have added.
function undo() {
  const step = steps.pop();
  if (!step) return;
  picked = true;
  setChosen(step.chosen);
  if (step.ids) {
    trigger("undo", { ids: step.ids });
    return;
  }
  setMacros(step.macros);
  detailOf = "";
  draw();
}

function drawGoOn() {
  const card = cardOf(chosen);
  goOn.show(Boolean(card?.final) && !shown.busy, steps.last());
}

function drawDetail() {
  const card = cardOf(chosen);
  detail.hidden = !card;
  if (!card) {
    detailOf = "";
    return;
  }
  drawTake(card);
  drawGoOn();
  const key = `${shown.token} ${card.id} ${card.key} ${shown.note}`;
  if (key === detailOf) return;
  detailOf = key;
  say("");
  nameField.value = card.name;
  const styles = [...new Set([...shown.styles, card.style])];
  styleField.replaceChildren(...styles.map((one) => node("option", { value: one, selected: one === card.style }, one || "none")));
  title.textContent = `${card.title}: ${card.words}`;
  drawMetrics(card);
  insideBox.replaceChildren();
  keyboard.show(shown.note);
  drawInside();
}

function draw() {
  const focused = document.activeElement?.closest?.(".vx-card")?.dataset.id;
  const wasPlay = document.activeElement?.classList.contains("vx-play");
  toolbar.hidden = shown.cards.length < 2;
  drawToolbar();
  cardsBox.replaceChildren(...cardGroups(shown.cards, chosen, { play: playOrStop, choose }));
  if (focused) cardsBox.querySelector(`[data-id="${focused}"] ${wasPlay ? ".vx-play" : ".vx-choose"}`)?.focus();
  markAudible(root, player.audible());
  markPlaying(player.audible());
  drawDetail();
}

function update() {
  const value = props.value;
  if (!value || !value.cards) return;
  if (value.sound !== shown.sound) {
    player.stop();
    picked = false;
    chosen = "";
    macrosOf = {};
    steps.clear();
  }
  const before = new Set(shown.cards.map((card) => card.id));
  shown = value;
  const ids = value.cards.map((card) => card.id).filter((id) => id !== "target");
  const made = value.cards.filter((card) => card.group === "made" && !before.has(card.id)).map((card) => card.id);
  if (made.length && before.size) {
    steps.add({ text: made[0].startsWith("refined") ? "refinement" : "variations", chosen, ids: made });
    picked = true;
    setChosen(made[0]);
  } else if (!picked || !ids.includes(chosen)) setChosen(ids[0] || "");
  draw();
}

watch("value", update);
update();
