// A keyboard that plays the chosen candidate, rendered by the engine.

const TYPED = "awsedftgyhujkolp;'";

// fetchNote(note): a promise of {audio} or {error}. onMessage(text): shows an error, or nothing.
function makeKeyboard(root, fetchNote, onMessage) {
  let played = -1;
  let cache = new Map();
  let generation = 0;
  let filling = false;
  const keys = makeKeys(root, "Keyboard", { onPress: press, onType: typed, isReady: (note) => cache.has(note) });

  function fetched(note) {
    if (!cache.has(note)) {
      const answer = fetchNote(note).catch((error) => ({ error: String(error) }));
      cache.set(note, answer);
      const mine = generation;
      answer.then((found) => {
        if (mine !== generation) return;
        if (found.error) cache.delete(note);
        else keys.keyOf(note)?.classList.add("vx-ready");
      });
    }
    return cache.get(note);
  }

  // Renders the other keys while the musician plays, the nearest to the sound's note first.
  async function fill() {
    if (filling) return;
    filling = true;
    const mine = generation;
    const notes = keys.notes().sort((a, b) => Math.abs(a - played) - Math.abs(b - played));
    for (const note of notes) {
      if (mine !== generation) break;
      await fetched(note);
    }
    filling = false;
  }

  async function press(note) {
    const key = keys.keyOf(note);
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

  function typed(event) {
    const at = TYPED.indexOf(event.key.toLowerCase());
    if (at >= 0 && !event.repeat) press(keys.low() + at);
  }

  // Another candidate, or other macros: all notes must be rendered again.
  function show(note) {
    cache = new Map();
    generation += 1;
    filling = false;
    keys.mark(note, note !== played);
    played = note;
  }

  return { show, press };
}
