"use strict";

/* The open sound: versions to play and look at, their scores, and where the presets differ. */
function detailOf(index) {
  const sound = report.sounds[index];
  const script = document.getElementById(`detail-${index}`);
  const detail = script ? JSON.parse(script.textContent) : { problem: "The page is still loading: open this sound again." };
  const node = el("div", { class: "detail" });
  if (detail.problem) node.append(el("p", { class: "problem" }, detail.problem));
  const player = detail.versions && detail.versions.length ? drawVersions(node, sound, detail) : null;
  drawCaptions(node, sound);
  node.append(scoreTable(sound));
  if (Object.keys(detail.differences || {}).length) drawComparison(node, detail.differences);
  node.append(el("p", { class: "hint" }, sound.path));
  return { node, player };
}

function drawVersions(node, sound, detail) {
  const cards = new Map();
  const player = new Player(detail.versions, update);
  const grid = el("div", { class: "versions" });
  for (const version of detail.versions) {
    const play = el("button", {
      type: "button", class: "play", "data-method": version.method, "aria-pressed": "false",
      "aria-label": `Play ${methodName(version.method)}`, onclick: () => player.toggle(version.method),
    }, svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" },
      svg("path", { class: "to-play", d: "M4.5 2.5v11l9-5.5z" }), svg("path", { class: "to-pause", d: "M4 3h3v10H4zM9 3h3v10H9z" })));
    const image = el("div", { class: "spectrogram", onclick: (event) => seek(event, version.method) },
      el("img", { src: version.image, alt: `Mel spectrogram of ${methodName(version.method)}`, draggable: "false" }),
      report.ticks.map(([label, height]) => { const tick = el("span", { class: "tick" }, label); tick.style.bottom = `${100 * height}%`; return tick; }),
      el("span", { class: "playhead" }));
    const card = el("figure", { class: "version", "data-method": version.method },
      el("figcaption", {}, play, captionOf(sound, version.method)),
      image, player.audios.get(version.method),
      el("div", {}, phraseOf(version.method, detail, player), presetOf(sound, version.method, detail)));
    cards.set(version.method, { card, play, image });
    grid.append(card);
  }
  const loop = el("button", { type: "button", class: "loop", "aria-pressed": "false", onclick: () => toggleLoop() }, "Loop");
  const notes = [`${number(detail.seconds, 1)} s`];
  if (detail.gain_db < -0.05) notes.push(`all turned down by ${number(-detail.gain_db, 1)} dB together, so that no peak clips`);
  node.append(grid, el("div", { class: "transport" }, loop, el("span", { class: "muted" }, notes.join(", "))));

  function toggleLoop() {
    player.setLoop(!player.loop);
    loop.setAttribute("aria-pressed", String(player.loop));
  }
  function seek(event, method) {
    const box = event.currentTarget.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * detail.seconds;
    player.choose(method, false);
    player.seek(Math.min(at, Math.max(player.audio.duration - 0.05, 0) || 0));
    player.start();
  }
  function update() {
    for (const [method, { card, play }] of cards) {
      const current = method === player.current;
      card.classList.toggle("current", current);
      play.setAttribute("aria-pressed", String(current && player.playing));
      const phrase = card.querySelector("button[data-phrase]");
      if (phrase) phrase.setAttribute("aria-pressed", String(player.phrasePlays(method)));
      play.setAttribute("aria-label", `${current && player.playing ? "Pause" : "Play"} ${methodName(method)}`);
    }
    move();
  }
  function move() {
    grid.style.setProperty("--at", `${100 * Math.min(player.position / detail.seconds, 1)}%`);
    if (player.playing && grid.isConnected) requestAnimationFrame(move);
  }
  player.toggleLoop = toggleLoop;
  player.focus = () => cards.get(player.current).play.focus({ preventScroll: true });
  update();
  return player;
}

/* A button that plays a preset at notes that were not recorded. */
function phraseOf(method, detail, player) {
  const address = (detail.phrases || {})[method];
  if (!address) return null;
  const audio = player.addPhrase(method, address);
  return el("div", { class: "phrase" }, el("button", {
    type: "button", "data-phrase": method, "aria-pressed": "false", title: "An octave below, a fourth above, an octave above",
    "aria-label": `Play ${methodName(method)} at other notes`, onclick: () => player.togglePhrase(method),
  }, "Other notes"), audio);
}

/* A version's name, its score in the chosen metric (filled in by drawCaptions), and which preset it is. */
function captionOf(sound, method) {
  const row = sound.rows[method];
  const label = row ? row.label : method === "target" ? sound.author : "";
  return el("span", { title: report.meanings[method] }, el("b", {}, methodName(method)),
    row ? el("small", { class: "score" }) : null, label ? el("small", {}, label) : null);
}

/* The preset's comment, which describes its parts, and a link to its file: in the page itself, or beside the report. */
function presetOf(sound, method, detail) {
  const comments = (detail.comments || {})[method];
  if (comments === undefined) return null;
  const row = sound.rows[method];
  const turned = (detail.turned || {})[method];
  const embedded = (detail.presets || {})[method];
  const file = embedded ? embedded.file : `${method}.vital`;
  const address = embedded
    ? URL.createObjectURL(new Blob([embedded.text], { type: "application/json" }))
    : ["sounds", sound.id, file].map(encodeURIComponent).join("/");
  return el("details", { class: "preset", open: Boolean(embedded) },
    el("summary", {}, "The preset"),
    comments || row ? el("p", {}, comments || row.editing) : null,
    turned ? el("p", { class: "muted" }, turned) : null,
    el("a", { href: address, download: file }, file));
}

function drawCaptions(node, sound) {
  const { label, digits } = report.metrics[chosen.metric];
  for (const card of node.querySelectorAll(".version")) {
    const row = sound.rows[card.dataset.method];
    const score = card.querySelector(".score");
    if (!score) continue;
    const share = row.shares[chosen.metric];
    score.textContent = `${label} ${number(row.metrics[chosen.metric], digits)}${share === null ? "" : `, ${percent(share)}`}`;
  }
}

function scoreTable(sound) {
  const head = el("tr", {}, el("th", { scope: "col" }, "Scores"),
    report.metrics.map((metric) => el("th", { scope: "col", class: "number" }, metric.label, el("small", {}, metric.unit))),
    el("th", { scope: "col", class: "number" }, "Renders"), el("th", { scope: "col", class: "number" }, "Seconds"));
  const rows = report.methods.filter((method) => sound.rows[method]).map((method) => {
    const row = sound.rows[method];
    const about = [row.label, row.editing].filter((text) => text);
    const name = el("th", { scope: "row" }, methodName(method), about.map((text) => el("small", {}, text)));
    if (row.error) return el("tr", { class: "failed" }, name, el("td", { colspan: report.metrics.length + 2, class: "reason" }, row.error));
    return el("tr", {}, name,
      row.metrics.map((value, i) => {
        const share = row.shares[i];
        const bar = el("span", { class: "gauge" }, el("span", {}));
        bar.firstChild.style.width = `${100 * Math.min(Math.max(share || 0, 0), 1)}%`;
        return el("td", { class: "number" }, number(value, report.metrics[i].digits),
          ...(hasShares(i) ? [el("span", { class: "share" }, percent(share)), share === null ? null : bar] : []));
      }),
      el("td", { class: "number" }, row.evals ? String(row.evals) : "–"),
      el("td", { class: "number" }, row.seconds ? number(row.seconds, 1) : "–"));
  });
  return el("div", { class: "scroll" }, el("table", { class: "scores" }, el("thead", {}, head), el("tbody", {}, rows)));
}
