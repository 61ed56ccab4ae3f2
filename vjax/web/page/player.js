// Plays the sound and a candidate in parallel. Only one of them is audible, so that a switch has no gap.

const FADE_S = 0.015;

function makePlayer(onChange) {
  let voices = new Map();
  let audible = "";
  let request = 0;
  let looped = false;

  function silence() {
    for (const { source } of voices.values()) {
      source.onended = null;
      source.stop();
    }
    voices = new Map();
    audible = "";
  }

  function stop() {
    request += 1;
    silence();
    onChange(audible);
  }

  // Plays the sound `id` of `urls` (by id). While others of the same urls play, it goes on at their position.
  async function play(id, urls) {
    if (voices.has(id) && voices.get(id).url === urls.get(id)) {
      switchTo(id);
      return;
    }
    request += 1;
    const mine = request;
    const ids = [...urls.keys()];
    const buffers = await Promise.all(ids.map((one) => bufferOf(urls.get(one))));
    if (mine !== request) return;
    silence();
    const output = audioContext();
    const at = output.currentTime + 0.02;
    ids.forEach((one, i) => {
      const source = output.createBufferSource();
      const gain = output.createGain();
      source.buffer = buffers[i];
      source.loop = looped;
      gain.gain.value = one === id ? 1 : 0;
      source.connect(gain).connect(output.destination);
      source.start(at);
      voices.set(one, { source, gain, url: urls.get(one) });
    });
    voices.get(id).source.onended = stop;
    audible = id;
    onChange(audible);
  }

  function switchTo(id) {
    const now = audioContext().currentTime;
    for (const [one, { gain, source }] of voices) {
      gain.gain.cancelScheduledValues(now);
      gain.gain.setTargetAtTime(one === id ? 1 : 0, now, FADE_S / 3);
      source.onended = one === id ? stop : null;
    }
    audible = id;
    onChange(audible);
  }

  function loop(on) {
    looped = on;
    for (const { source } of voices.values()) source.loop = on;
  }

  return { play, stop, loop, audible: () => audible };
}
