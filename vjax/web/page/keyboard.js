// A keyboard of two octaves, or of one on a phone, that plays the chosen candidate, rendered by the engine.

const NAMES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];
const TYPED = "awsedftgyhujkolp;'";
const NARROW = window.matchMedia("(max-width: 640px)");

function noteName(note) {
  return NAMES[note % 12] + (Math.floor(note / 12) - 1);
}

// fetchNote(note): a promise of {audio} or {error}. onMessage(text): shows an error, or nothing.
function makeKeyboard(root, fetchNote, onMessage) {
  let first = 48;
  let played = 60;
  let cache = new Map();
  let generation = 0;
  let filling = false;

  function size() {
    return NARROW.matches ? 13 : 25;
  }

  function low() {
    return Math.max(0, Math.min(first, 128 - size()));
  }

  function fetched(note) {
    if (!cache.has(note)) {
      const answer = fetchNote(note).catch((error) => ({ error: String(error) }));
      cache.set(note, answer);
      const mine = generation;
      answer.then((found) => {
        if (mine !== generation) return;
        if (found.error) cache.delete(note);
        else keyOf(note)?.classList.add("vx-ready");
      });
    }
    return cache.get(note);
  }

  // Renders the other keys while the musician plays, the nearest to the sound's note first.
  async function fill() {
    if (filling) return;
    filling = true;
    const mine = generation;
    const notes = Array.from({ length: size() }, (_, i) => low() + i);
    notes.sort((a, b) => Math.abs(a - played) - Math.abs(b - played));
    for (const note of notes) {
      if (mine !== generation) break;
      await fetched(note);
    }
    filling = false;
  }

  async function press(note) {
    const key = keyOf(note);
    key?.classList.add("vx-down");
    const mine = generation;
    const found = await fetched(note);
    if (found.error) onMessage(found.error);
    else if (mine === generation) {
      onMessage("");
      const buffer = await bufferOf(found.audio);
      const source = audioContext().createBufferSource();
      source.buffer = buffer;
      source.connect(audioContext().destination);
      source.start();
      root.dataset.played = noteName(note);
    }
    key?.classList.remove("vx-down");
    fill();
  }

  function keyOf(note) {
    return root.querySelector(`[data-note="${note}"]`);
  }

  function draw() {
    const keys = node("div", { class: "vx-keys", role: "group", "aria-label": "Keyboard" });
    const whites = Array.from({ length: size() }, (_, i) => low() + i).filter((n) => !NAMES[n % 12].includes("#"));
    let white = 0;
    for (let note = low(); note < low() + size(); note += 1) {
      const sharp = NAMES[note % 12].includes("#");
      const at = sharp ? `left:${((100 * (white - 0.29)) / whites.length).toFixed(2)}%;width:${(58 / whites.length).toFixed(2)}%` : "";
      const key = node(
        "button",
        {
          type: "button",
          class: `vx-key ${sharp ? "vx-black" : "vx-white"}${note === played ? " vx-own" : ""}`,
          style: at,
          "data-note": note,
          "aria-label": noteName(note),
          tabindex: note === focusedNote() ? "0" : "-1",
          onpointerdown: (event) => {
            event.preventDefault();
            event.currentTarget.focus();
            press(note);
          },
          onclick: (event) => event.detail === 0 && press(note),
        },
        node("span", {}, note % 12 === 0 || note === played ? noteName(note) : ""),
      );
      if (cache.has(note)) key.classList.add("vx-ready");
      keys.append(key);
      if (!sharp) white += 1;
    }
    keys.addEventListener("keydown", typed);
    root.replaceChildren(
      node("button", { type: "button", "aria-label": "An octave lower", onclick: () => shift(-12) }, "−"),
      keys,
      node("button", { type: "button", "aria-label": "An octave higher", onclick: () => shift(12) }, "+"),
    );
  }

  function focusedNote() {
    return played >= low() && played < low() + size() ? played : low();
  }

  function typed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const now = Number(event.target.dataset.note);
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      event.preventDefault();
      keyOf(now + step)?.focus();
      return;
    }
    const at = TYPED.indexOf(event.key.toLowerCase());
    if (at >= 0 && !event.repeat) press(low() + at);
  }

  function shift(semitones) {
    first = Math.max(0, Math.min(first + semitones, 128 - size()));
    draw();
  }

  // Another candidate, or other macros: all notes must be rendered again.
  function show(note) {
    if (note !== played || !root.children.length) {
      played = note;
      first = 12 * Math.floor((NARROW.matches ? note : note - 6) / 12);
    }
    cache = new Map();
    generation += 1;
    filling = false;
    draw();
  }

  NARROW.addEventListener("change", () => root.children.length && draw());
  return { show, press };
}
