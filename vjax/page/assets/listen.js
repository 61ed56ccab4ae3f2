"use strict";

const test = JSON.parse(document.getElementById("listen-data").textContent);
const CHOICES = [["first", "A is nearer"], ["same", "No difference"], ["second", "B is nearer"]];
const listener = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const trials = shuffledTrials();
const answers = [];
const players = new Map();  // audio elements by the number of the sound
let begunAt = performance.now();
let played = new Set();  // which of target, first, second were played in this trial

/* Both orders of each comparison, in a random sequence; the two halves keep repeats apart. */
function shuffledTrials() {
  const swapped = test.comparisons.map(() => Math.random() < 0.5);
  const half = (second) => shuffled(test.comparisons.map((comparison, i) => {
    const order = swapped[i] !== second ? [1, 0] : [0, 1];
    const [target, ...sounds] = comparison.sounds;
    return {
      target: comparison.target, first: comparison.methods[order[0]], second: comparison.methods[order[1]],
      sounds: { target, first: sounds[order[0]], second: sounds[order[1]] },
    };
  }));
  return [...half(false), ...half(true)];
}

function shuffled(items) {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [items[i], items[j]] = [items[j], items[i]];
  }
  return items;
}

function audioOf(number) {
  if (!players.has(number)) players.set(number, el("audio", { src: test.audio[number], preload: "auto" }));
  return players.get(number);
}

function play(which) {
  const trial = trials[answers.length];
  if (!trial) return;
  for (const audio of players.values()) audio.pause();
  const audio = audioOf(trial.sounds[which]);
  audio.currentTime = 0;
  audio.play().catch((error) => { if (error.name !== "AbortError") console.error(error); });
  played.add(which);
  drawChoices();
}

function answer(choice) {
  const trial = trials[answers.length];
  if (!trial || played.size < 3) return;
  answers.push({
    target: trial.target, first: trial.first, second: trial.second, answer: choice,
    seconds: Math.round((performance.now() - begunAt) / 100) / 10,
  });
  played = new Set();
  begunAt = performance.now();
  for (const audio of players.values()) audio.pause();
  drawTrial();
}

function drawTrial() {
  const done = answers.length === trials.length;
  const sounds = [["target", "Target"], ["first", "A"], ["second", "B"]];
  document.getElementById("trial").replaceChildren(
    el("h2", {}, done ? "Thank you. Export the answers." : `Trial ${answers.length + 1} of ${trials.length}`),
    ...(done ? [] : [
      el("div", { class: "choices" }, sounds.map(([which, label]) =>
        el("button", { type: "button", class: "big", "data-sound": which, onclick: () => play(which) }, `▶ ${label}`))),
      el("p", {}, "Which one is more like the target?"),
      el("div", { class: "choices" }, CHOICES.map(([choice, label]) =>
        el("button", { type: "button", class: "big", "data-choice": choice, onclick: () => answer(choice) }, label))),
    ]));
  drawChoices();
}

/* An answer needs all three sounds. */
function drawChoices() {
  for (const button of document.querySelectorAll("[data-choice]")) button.disabled = played.size < 3;
  for (const button of document.querySelectorAll("[data-sound]")) {
    button.setAttribute("aria-pressed", String(played.has(button.dataset.sound)));
  }
}

function exported() {
  return { version: 1, evaluation: test.evaluation, listener, date: new Date().toISOString(), trials: trials.length, answers };
}

document.getElementById("export").addEventListener("click", () => {
  const address = URL.createObjectURL(new Blob([JSON.stringify(exported(), null, 1)], { type: "application/json" }));
  const link = el("a", { href: address, download: `answers-${test.evaluation}-${listener.slice(0, 8)}.json` });
  document.body.append(link);
  link.click();
  link.remove();
  document.getElementById("exported").textContent =
    `${answers.length} of ${trials.length} answers. Then run: vjax evaluate --listen ${link.download}`;
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  const sound = { t: "target", a: "first", b: "second" }[key];
  if (sound) play(sound);
  else if ("123".includes(key)) answer(CHOICES[Number(key) - 1][0]);
});

drawTrial();
