// Uploads under way: how far they are and how fast, by two looks at the page or by the live channel.

import { size, word } from "./words.js";

// Whoever is told of nothing for as long sends nothing.
const STILL_MS = 5000;

const before = new Map();

/** Says in each cell how fast its upload goes; of what was not seen before, the page's own words stay. */
export function rates(root) {
  const now = performance.now();
  for (const cell of root.querySelectorAll("[data-rate]")) {
    const { rate: id, offset } = cell.dataset;
    const known = before.get(id);
    before.set(id, { ...known, offset: Number(offset), at: now });
    if (!known || now === known.at) continue;
    const looked = ((Number(offset) - known.offset) * 1000) / (now - known.at);
    say(cell, known.until > now ? known.rate : looked);
  }
}

function say(cell, rate) {
  cell.textContent = word(cell, rate > 0 ? "now" : "still", { size: size(Math.round(Math.max(0, rate))) });
}

/**
 * Shows what the live channel has told of an upload; returns whether the page has a row of it.
 *
 * `still` is called when nothing more was told of it for a while: it has ended, or waits.
 */
export function moved(root, { upload, offset, length, rate }, still) {
  const cell = root.querySelector(`[data-rate="${CSS.escape(upload)}"]`);
  if (!cell) return false;
  const now = performance.now();
  clearTimeout(before.get(upload)?.timer);
  const timer = setTimeout(() => {
    const shown = root.querySelector(`[data-rate="${CSS.escape(upload)}"]`);
    if (shown) say(shown, 0);
    still();
  }, STILL_MS);
  before.set(upload, { offset, at: now, rate, until: now + STILL_MS, timer });
  cell.dataset.offset = offset;
  say(cell, rate);
  far(cell.parentElement, offset, length);
  return true;
}

function far(row, offset, length) {
  const cell = row.querySelector("[data-far]");
  const bar = cell?.querySelector("progress");
  if (!cell || Boolean(bar) !== Boolean(length)) return;
  if (bar) bar.value = offset;
  const places = { done: size(offset), total: size(length ?? 0) };
  cell.querySelector("span").textContent = word(cell, bar ? "of" : "so-far", places);
}
