"use strict";

/* One sound in several versions, of which one plays. Switching keeps the position, so that the versions
   can be compared at the same moment of the sound. */
class Player {
  constructor(versions, changed) {
    this.changed = changed;
    this.loop = false;
    this.audios = new Map(versions.map((version) => [version.method, this.element(version)]));
    this.current = versions[0].method;
    this.phrases = new Map();
  }

  /* Adds a short phrase of a method's preset at other notes. It plays alone, and not in step with the versions. */
  addPhrase(method, address) {
    const audio = el("audio", { src: URL.createObjectURL(blobOf(address)), preload: "auto", "data-phrase": method });
    for (const event of ["play", "pause", "ended"]) audio.addEventListener(event, () => this.changed());
    this.phrases.set(method, audio);
    return audio;
  }

  phrasePlays(method) {
    const audio = this.phrases.get(method);
    return Boolean(audio) && !audio.paused && !audio.ended;
  }

  togglePhrase(method) {
    const plays = this.phrasePlays(method);
    this.audio.pause();
    this.pausePhrases();
    if (plays) return;
    const audio = this.phrases.get(method);
    audio.currentTime = 0;
    audio.play().catch((error) => { if (error.name !== "AbortError") console.error(error); });
  }

  pausePhrases() {
    for (const audio of this.phrases.values()) audio.pause();
  }

  element(version) {
    const address = URL.createObjectURL(blobOf(version.audio));
    const audio = el("audio", { src: address, preload: "auto", "data-method": version.method });
    for (const event of ["play", "pause", "ended", "seeked"]) audio.addEventListener(event, () => this.changed());
    return audio;
  }

  get audio() { return this.audios.get(this.current); }
  get playing() { return !this.audio.paused && !this.audio.ended; }
  get position() { return this.audio.currentTime; }

  /* Chooses a version; it plays on if the one before was playing, or if `play` is true. */
  choose(method, play = this.playing) {
    const before = this.audio;
    const at = before.ended ? 0 : before.currentTime;
    before.pause();
    this.current = method;
    if (this.audio !== before) this.audio.currentTime = at;
    if (play) this.start();
    this.changed();
  }

  /* Switches to the target, and from the target back to the version before it. */
  compare() {
    if (this.current !== "target") {
      this.compared = this.current;
      this.choose("target");
    } else {
      this.choose(this.compared || [...this.audios.keys()].find((method) => method !== "target") || "target");
    }
  }

  seek(seconds) {
    this.audio.currentTime = seconds;
    this.changed();
  }

  start() {
    this.pausePhrases();
    if (this.audio.duration && this.audio.currentTime >= this.audio.duration - 0.01) this.audio.currentTime = 0;
    // A pause before the sound has begun rejects the promise: nothing went wrong.
    this.audio.play().catch((error) => { if (error.name !== "AbortError") console.error(error); });
  }

  toggle(method = this.current) {
    if (method !== this.current) this.choose(method, true);
    else if (this.playing) this.audio.pause();
    else this.start();
  }

  setLoop(loop) {
    this.loop = loop;
    for (const audio of this.audios.values()) audio.loop = loop;
  }

  dispose() {
    for (const audio of [...this.audios.values(), ...this.phrases.values()]) {
      const address = audio.src;
      audio.pause();
      audio.removeAttribute("src");
      audio.load(); // ends a fetch under way, which would fail because its address is gone
      URL.revokeObjectURL(address);
    }
  }
}

/* A data: address as a Blob: browsers seek in blobs everywhere. */
function blobOf(address) {
  const [head, content] = address.split(",");
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], { type: head.slice("data:".length).split(";")[0] });
}
