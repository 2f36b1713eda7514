// <input type="checkbox" data-live="#list">: that part of the page is fetched again while it is ticked.
// Cells with data-rate tell how fast their data-offset grows between two looks.

import { refresh } from "./regions.js";
import { size, word } from "./words.js";

const EVERY_MS = 4000;
// A page that is left open does not ask for ever.
const LOOKS = 300;

const before = new Map();
const started = new WeakSet();

/** Says in each cell how fast its upload goes; of what was not seen before, the page's own words stay. */
function rates(root) {
  const now = performance.now();
  for (const cell of root.querySelectorAll("[data-rate]")) {
    const { rate: id, offset } = cell.dataset;
    const known = before.get(id);
    before.set(id, { offset: Number(offset), at: now });
    if (!known || now === known.at) continue;
    const perSecond = Math.max(0, ((Number(offset) - known.offset) * 1000) / (now - known.at));
    const places = { size: size(Math.round(perSecond)) };
    cell.textContent = word(cell, perSecond > 0 ? "now" : "still", places);
  }
}

export function live(root) {
  rates(root);
  for (const box of root.querySelectorAll("input[data-live]")) {
    if (started.has(box)) continue;
    started.add(box);
    let looks = 0;
    const timer = setInterval(async () => {
      if (!box.isConnected) clearInterval(timer);
      else if (box.checked && !document.hidden && !document.querySelector("dialog[open]")) {
        looks += 1;
        if (looks >= LOOKS) box.checked = false;
        await refresh(box.dataset.live);
      }
    }, EVERY_MS);
    box.addEventListener("change", () => (looks = 0));
  }
}
