// The sound and the candidates, side by side.

function spectrogram(card) {
  const axis = node("div", { class: "vx-hz", "aria-hidden": "true" });
  for (const [label, share] of card.ticks) {
    axis.append(node("span", { style: `bottom:${(100 * share).toFixed(1)}%` }, label));
  }
  const time = node("div", { class: "vx-time", "aria-hidden": "true" });
  const step = card.seconds > 1.2 ? 0.5 : 0.1;
  for (let s = 0; s < card.seconds - 0.01; s += step) {
    time.append(node("span", { style: `left:${((100 * s) / card.seconds).toFixed(1)}%` }, s ? s.toFixed(1) : "0 s"));
  }
  const image = node("img", { src: card.image, alt: `Spectrogram of ${card.title}, in Hz over seconds` });
  return node("div", { class: "vx-spectrogram" }, axis, node("div", { class: "vx-image" }, image), time);
}

function distance(card) {
  if (card.id === "target") return node("p", { class: "vx-distance" }, node("strong", {}, card.words));
  const number = card.distance === null ? "" : `${card.distance.toFixed(1)} dB`;
  return node("p", { class: "vx-distance" }, node("strong", {}, card.words), " ", node("span", {}, number));
}

function cardElement(card, chosen, actions) {
  const badges = card.badges.map((text) => node("span", { class: `vx-badge vx-${text}` }, text));
  if (!card.final) badges.push(node("span", { class: "vx-badge" }, "so far"));
  const play = node(
    "button",
    { type: "button", class: "vx-play", "aria-label": `Play ${card.title}`, onclick: () => actions.play(card.id) },
    "Play",
  );
  const choose = node(
    "button",
    { type: "button", class: "vx-choose", "aria-pressed": String(chosen), onclick: () => actions.choose(card.id) },
    chosen ? "Chosen" : "Choose",
  );
  choose.setAttribute("aria-label", `${chosen ? "Chosen" : "Choose"}: ${card.title}`);
  return node(
    "article",
    { class: `vx-card${chosen ? " vx-chosen" : ""}`, "data-id": card.id, "aria-label": card.title },
    node("header", {}, node("h3", {}, card.title), ...badges),
    spectrogram(card),
    distance(card),
    node("p", { class: "vx-about" }, card.about),
    node("div", { class: "vx-buttons" }, play, card.id === "target" ? null : choose),
  );
}

let moreIsOpen = !window.matchMedia("(max-width: 640px)").matches;

// The sound with the best of each kind; then what was made of them; then further candidates.
function cardGroups(cards, chosen, actions) {
  const grid = (group) => {
    const found = cards.filter((card) => card.group === group);
    return found.length ? node("div", { class: "vx-cards" }, ...found.map((card) => cardElement(card, card.id === chosen, actions))) : null;
  };
  const [best, made, more] = ["", "made", "more"].map(grid);
  return [
    best,
    made && node("section", {}, node("h3", { class: "vx-heading" }, "Your refinements and variations"), made),
    more &&
      node(
        "details",
        { class: "vx-more", open: moreIsOpen, ontoggle: (event) => (moreIsOpen = event.target.open) },
        node("summary", {}, `More candidates (${more.children.length})`),
        more,
      ),
  ].filter(Boolean);
}

// The button of the sound that plays becomes a stop button.
function markAudible(root, audible) {
  for (const card of root.querySelectorAll(".vx-card")) {
    const on = card.dataset.id === audible;
    card.classList.toggle("vx-audible", on);
    const button = card.querySelector(".vx-play");
    button.textContent = on ? "Stop" : "Play";
    button.setAttribute("aria-label", `${on ? "Stop" : "Play"} ${card.querySelector("h3").textContent}`);
  }
}
