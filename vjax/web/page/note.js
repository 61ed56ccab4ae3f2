// A small keyboard that corrects the detected note: each key writes its note into the field above, and sounds.
// `element`, `props` and `watch` are Gradio's.

const box = node("div", { class: "vx-keyboard vx-small" });
const hint = node("p", { class: "vx-hint" }, "Is the note wrong? Click the right key, or use the arrow keys. It sounds, so that you can compare.");
element.querySelector(".vx").replaceChildren(box, hint);
const keys = makeKeys(box, "Note of your sound", { onPress: pick, onMove: pick });

function field() {
  return document.querySelector("#note input, #note textarea");
}

function pick(note) {
  const input = field();
  // The prototype's setter: Svelte reads the field at the event, and not when the value is set.
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(input), "value").set.call(input, noteName(note));
  input.dispatchEvent(new Event("input", { bubbles: true }));
  sound(note);
}

function sound(note) {
  const output = audioContext();
  const oscillator = output.createOscillator();
  const gain = output.createGain();
  oscillator.type = "triangle";
  oscillator.frequency.value = 440 * 2 ** ((note - 69) / 12);
  gain.gain.setValueAtTime(0.2, output.currentTime);
  gain.gain.exponentialRampToValueAtTime(0.001, output.currentTime + 0.8);
  oscillator.connect(gain).connect(output.destination);
  oscillator.start();
  oscillator.stop(output.currentTime + 0.8);
}

// The note of a text such as C2, F#3, Bb1 or 36; null if it is not a note.
function noteOf(text) {
  const found = /^([A-G])([#b]?)(-?\d)$/i.exec(text.trim());
  if (!found) return /^\d{1,3}$/.test(text.trim()) && Number(text) < 128 ? Number(text) : null;
  const note = NAMES.indexOf(found[1].toUpperCase()) + { "#": 1, b: -1, "": 0 }[found[2].toLowerCase()] + 12 * (Number(found[3]) + 1);
  return note >= 0 && note < 128 ? note : null;
}

function update() {
  const note = props.value?.note;
  element.hidden = note === undefined || note === null;
  if (!element.hidden) keys.mark(note, true);
}

document.addEventListener("input", (event) => {
  const note = event.target === field() ? noteOf(event.target.value) : null;
  if (note !== null) keys.mark(note);
});
watch("value", update);
update();
