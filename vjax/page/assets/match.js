"use strict";

/* The page of a match: its one sound is open. */
const { node, player } = detailOf(0);
document.getElementById("sound").append(node);
document.getElementById("warnings").append(...report.warnings.map((text) => el("li", {}, text)));
drawFacts();
listenToKeys((event) => playerKeys(player, event));
