"use strict";

/* The table of sounds: sorting, filtering, and the one that is open. */
const GROUP = report.sounds.some((sound) => sound.class) ? ["class", "Class"] : ["author", "Author"];
const TEXT_COLUMNS = [["name", "Sound"], GROUP, ["note", "Note"]];
const REFERENCES = ["floor", "take"];
const table = { key: null, ascending: true, open: null, rows: [] };

function drawSounds() {
  const columns = [...TEXT_COLUMNS.map(([key, label]) => [key, label, key === "note"]),
    ...report.methods.map((method) => [`method:${method}`, methodName(method), true])];
  const head = el("tr", {}, columns.map(([key, label, numeric]) =>
    el("th", { scope: "col", class: numeric ? "number" : null, "data-key": key, "aria-sort": "none" },
      el("button", { type: "button", class: "sorter", onclick: () => sortBy(key) }, label))));
  table.rows = report.sounds.map((sound, index) => soundRow(sound, index));
  document.getElementById("sounds").append(el("thead", {}, head), el("tbody", {}, table.rows.map((row) => row.node)));
  document.getElementById("filter").addEventListener("input", (event) => filterBy(event.target.value));
  const scroller = document.getElementById("sounds-scroll");
  new ResizeObserver(() => scroller.style.setProperty("--shown", `${scroller.clientWidth}px`)).observe(scroller);
  drawScores();
}

function soundRow(sound, index) {
  const opener = el("button", { type: "button", class: "opener", "aria-expanded": "false" }, sound.name);
  const node = el("tr", { class: "sound", "data-index": index, onclick: () => toggleSound(table.rows[index]) },
    el("td", { class: "name" }, opener), el("td", {}, sound[GROUP[0]]), el("td", { class: "number" }, String(sound.note ?? "–")),
    report.methods.map((method) => el("td", { class: "number", "data-method": method })));
  return { sound, index, node, opener, detail: null, hidden: false };
}

/* The chosen metric of every sound; the best score of a row is bold. */
function drawScores() {
  const { higher, digits } = report.metrics[chosen.metric];
  for (const { sound, node } of table.rows) {
    const scores = report.methods.map((method) => scoreOf(sound, method));
    const compared = scores.filter((score, i) => score !== null && !REFERENCES.includes(report.methods[i]));
    const best = higher ? Math.max(...compared) : Math.min(...compared);
    report.methods.forEach((method, i) => {
      const cell = node.children[TEXT_COLUMNS.length + i];
      const row = sound.rows[method];
      cell.textContent = row && row.error ? "failed" : number(scores[i], digits);
      cell.title = row ? row.error || row.label || "" : "";
      cell.classList.toggle("failed", Boolean(row && row.error));
      cell.classList.toggle("best", scores[i] === best && !REFERENCES.includes(method));
    });
  }
  if (table.open) drawCaptions(table.open.detail, table.open.sound);
  if (table.key && table.key.startsWith("method:")) arrange();
}

function scoreOf(sound, method) {
  const row = sound.rows[method];
  return row && !row.error ? row.metrics[chosen.metric] : null;
}

function sortBy(key) {
  table.ascending = table.key === key ? !table.ascending : true;
  table.key = key;
  for (const header of document.querySelectorAll("#sounds th[data-key]")) {
    const own = header.dataset.key === key;
    header.setAttribute("aria-sort", own ? (table.ascending ? "ascending" : "descending") : "none");
  }
  arrange();
}

function arrange() {
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const sign = table.ascending ? 1 : -1;
  table.rows.sort((a, b) => {
    const [x, y] = [a, b].map((row) => sortValue(row.sound));
    if (x === null || y === null) return (x === null) - (y === null); // without a value: last either way
    return sign * (typeof x === "number" ? x - y : collator.compare(x, y)) || a.index - b.index;
  });
  const body = document.querySelector("#sounds > tbody");
  body.append(...table.rows.flatMap((row) => (row.detail ? [row.node, row.detail] : [row.node])));
}

function sortValue(sound) {
  if (table.key.startsWith("method:")) return scoreOf(sound, table.key.slice("method:".length));
  return sound[table.key] ?? null;
}

function filterBy(text) {
  const wanted = text.trim().toLowerCase();
  for (const row of table.rows) {
    row.hidden = !`${row.sound.name}\n${row.sound.author}\n${row.sound.class}`.toLowerCase().includes(wanted);
    row.node.hidden = row.hidden;
    if (row.hidden && row === table.open) closeSound();
  }
}

function toggleSound(row) {
  if (row === table.open) closeSound();
  else openSound(row);
}

function openSound(row) {
  const before = table.open && table.open.player;
  const [version, playing, loop] = before ? [before.current, before.playing, before.loop] : [null, false, false];
  closeSound();
  const { node, player } = detailOf(row.index);
  const cell = el("td", { colspan: TEXT_COLUMNS.length + report.methods.length }, node);
  Object.assign(row, { player, detail: el("tr", { class: "detail-row" }, cell) });
  row.opener.setAttribute("aria-expanded", "true");
  row.node.classList.add("open");
  row.node.after(row.detail);
  table.open = row;
  if (!player) return;
  if (loop) player.toggleLoop();
  if (player.audios.has(version)) player.choose(version, playing);
  player.focus();
}

function closeSound() {
  const row = table.open;
  if (!row) return;
  if (row.player) row.player.dispose();
  row.detail.remove();
  Object.assign(row, { detail: null, player: null });
  row.opener.setAttribute("aria-expanded", "false");
  row.node.classList.remove("open");
  table.open = null;
}

function stepSound(step) {
  const shown = table.rows.filter((row) => !row.hidden);
  const next = shown[shown.indexOf(table.open) + step];
  if (!next) return;
  openSound(next);
  next.node.scrollIntoView({ block: "start" });
}

listenToKeys((event) => {
  if (!table.open) return {};
  const { player, opener } = table.open;
  return {
    ...playerKeys(player, event),
    ArrowUp: () => stepSound(-1),
    ArrowDown: () => stepSound(1),
    Escape: () => { closeSound(); opener.focus(); },
  };
});

drawFacts();
drawChoices();
drawSummary();
drawElsewhere();
drawRecordings();
drawTurns();
drawSounds();
