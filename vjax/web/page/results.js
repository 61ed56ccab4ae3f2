// Puts the parts together. `element`, `props`, `server`, `trigger` and `watch` are Gradio's.

const root = element.querySelector(".vx");
const player = makePlayer((audible) => {
  markAudible(root, audible);
  markPlaying(audible);
});
let shown = { cards: [], token: "" };
let chosen = "";
let picked = false; // whether the musician has chosen a card; else the best one is chosen
let macros = {};
let detailOf = "";

const cardsBox = node("div", { class: "vx-cards" });
const toolbar = node("div", { class: "vx-toolbar", role: "group", "aria-label": "Compare" });
const keys = node("div", { class: "vx-keyboard" });
const message = node("p", { class: "vx-message", role: "status", "aria-live": "polite" });
const insideBox = node("div", { class: "vx-inside" });
const title = node("h2", {});
const nameField = node("input", { type: "text", maxlength: 80, "aria-label": "Name of the preset" });
const takeBox = node("div", { class: "vx-take" });
const refineBox = node("div", { class: "vx-refine" });
const metricsBox = node("details", { class: "vx-metrics" });
const detail = node(
  "section",
  { class: "vx-detail", "aria-label": "The chosen candidate" },
  title,
  takeBox,
  keys,
  node("p", { class: "vx-hint" }, "Click the keys, or focus one and type A W S E D F … The engine renders each note once."),
  message,
  refineBox,
  insideBox,
  metricsBox,
);
root.replaceChildren(toolbar, cardsBox, detail);
const keyboard = makeKeyboard(keys, (note) => server.play_note({ ...request(), note }), say);

function say(text) {
  message.textContent = text;
}

function request() {
  return { token: shown.token, id: chosen, macros, name: nameField.value };
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
  if (chosen === id) return;
  chosen = id;
  macros = {};
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

function drawRefine(card) {
  const seconds = node("select", { "aria-label": "Seconds to search" });
  for (const value of [10, 30, 60, 180]) seconds.append(node("option", { value }, `${value} s`));
  seconds.value = "30";
  refineBox.replaceChildren(
    node("button", {
      type: "button",
      disabled: !card.final || shown.busy,
      onclick: () => trigger("refine", { id: chosen, macros, seconds: Number(seconds.value) }),
    }, "Refine this one"),
    node("label", {}, "for ", seconds),
    node("span", { class: "vx-hint" }, "A search changes the knobs, and keeps what is nearer."),
  );
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
  else insideBox.replaceChildren(insideElement(found, macros, turn));
}

function turn(number, value) {
  macros = { ...macros, [number]: value };
  keyboard.show(shown.note);
  keyboard.press(shown.note);
}

function drawDetail() {
  const card = cardOf(chosen);
  detail.hidden = !card;
  if (!card) {
    detailOf = "";
    return;
  }
  drawTake(card);
  drawRefine(card);
  const key = `${shown.token} ${card.id} ${card.key} ${shown.note}`;
  if (key === detailOf) return;
  detailOf = key;
  say("");
  nameField.value = card.name;
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
  cardsBox.replaceChildren(...shown.cards.map((card) => cardElement(card, card.id === chosen, { play: playOrStop, choose })));
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
  }
  const before = new Set(shown.cards.map((card) => card.id));
  shown = value;
  const ids = value.cards.map((card) => card.id).filter((id) => id !== "target");
  const searched = ids.find((id) => id.startsWith("refined-") && !before.has(id));
  if (searched && before.size) setChosen(searched);
  else if (!picked || !ids.includes(chosen)) setChosen(ids[0] || "");
  draw();
}

watch("value", update);
update();
