"use strict";

/* Calls the step that `stepsOf(event)` has for a pressed key, except while the user types or holds another key. */
function listenToKeys(stepsOf) {
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input") || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const step = stepsOf(event)[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!step) return;
    event.preventDefault();
    step();
  });
}

/* The keys of an open sound. A focused button or summary has its own Space. */
function playerKeys(player, event) {
  return player ? {
    ArrowLeft: () => stepVersion(player, -1),
    ArrowRight: () => stepVersion(player, 1),
    " ": !event.target.closest("button, summary") && (() => player.toggle()),
    l: () => player.toggleLoop(),
    t: () => { player.compare(); player.focus(); },
  } : {};
}

function stepVersion(player, step) {
  const methods = [...player.audios.keys()];
  player.choose(methods[(methods.indexOf(player.current) + step + methods.length) % methods.length]);
  player.focus();
}
