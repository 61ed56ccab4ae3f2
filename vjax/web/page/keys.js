// Keys of two octaves, or of one on a phone: pressed by mouse, finger or computer keyboard.

const NAMES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];
const NARROW = window.matchMedia("(max-width: 640px)");

function noteName(note) {
  return NAMES[note % 12] + (Math.floor(note / 12) - 1);
}

// onPress(note): a key is pressed. onMove(note): an arrow key has moved the focus there. onType(letter): another key.
function makeKeys(root, label, { onPress, onMove = () => {}, onType = () => {}, isReady = () => false }) {
  let first = 48;
  let own = -1;

  function size() {
    return NARROW.matches ? 13 : 25;
  }

  function low() {
    return Math.max(0, Math.min(first, 128 - size()));
  }

  function notes() {
    return Array.from({ length: size() }, (_, i) => low() + i);
  }

  function keyOf(note) {
    return root.querySelector(`[data-note="${note}"]`);
  }

  function key(note, style) {
    const sharp = NAMES[note % 12].includes("#");
    return node(
      "button",
      {
        type: "button",
        class: `vx-key ${sharp ? "vx-black" : "vx-white"}${note === own ? " vx-own" : ""}${isReady(note) ? " vx-ready" : ""}`,
        style,
        "data-note": note,
        "aria-label": noteName(note),
        tabindex: note === (notes().includes(own) ? own : low()) ? "0" : "-1",
        onpointerdown: (event) => {
          event.preventDefault();
          event.currentTarget.focus();
          onPress(note);
        },
        onclick: (event) => event.detail === 0 && onPress(note),
      },
      node("span", {}, note % 12 === 0 || note === own ? noteName(note) : ""),
    );
  }

  function draw() {
    const keys = node("div", { class: "vx-keys", role: "group", "aria-label": label });
    const whites = notes().filter((note) => !NAMES[note % 12].includes("#")).length;
    let white = 0;
    for (const note of notes()) {
      const sharp = NAMES[note % 12].includes("#");
      const at = `left:${((100 * (white - 0.29)) / whites).toFixed(2)}%;width:${(58 / whites).toFixed(2)}%`;
      keys.append(key(note, sharp ? at : ""));
      if (!sharp) white += 1;
    }
    keys.addEventListener("keydown", typed);
    root.replaceChildren(
      node("button", { type: "button", "aria-label": "An octave lower", onclick: () => shift(-12) }, "−"),
      keys,
      node("button", { type: "button", "aria-label": "An octave higher", onclick: () => shift(12) }, "+"),
    );
  }

  function typed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const next = Number(event.target.dataset.note) + step;
    if (!step) onType(event);
    else if (next >= 0 && next <= 127) {
      event.preventDefault();
      if (!keyOf(next)) shift(12 * step);
      keyOf(next).focus();
      onMove(next);
    }
  }

  function shift(semitones) {
    first = Math.max(0, Math.min(first + semitones, 128 - size()));
    draw();
  }

  // Marks a note. Other octaves are shown if it is not among the keys, or if `centre` is true.
  function mark(note, centre = false) {
    const focused = root.contains(document.activeElement) && document.activeElement.dataset.note;
    own = note;
    if (centre || !notes().includes(note)) first = 12 * Math.floor((NARROW.matches ? note : note - 6) / 12);
    draw();
    if (focused) keyOf(focused)?.focus();
  }

  NARROW.addEventListener("change", () => root.children.length && draw());
  return { mark, notes, low, keyOf, draw };
}
