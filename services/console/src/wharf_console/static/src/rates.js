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
    if (known?.until > now) {
      // The page may be older than what was told.
      show(cell, known.told);
      continue;
    }
    before.set(id, { offset: Number(offset), at: now });
    if (!known || now === known.at) continue;
    say(cell, ((Number(offset) - known.offset) * 1000) / (now - known.at));
  }
}

/**
 * Shows what the live channel has told of an upload; returns whether the page has a row of it.
 *
 * `still` is called when nothing more was told of it for a while: it has ended, or waits.
 */
export function moved(root, told, still) {
  const { upload, offset } = told;
  const cellNow = () => root.querySelector(`[data-rate="${CSS.escape(upload)}"]`);
  if (!cellNow()) return false;
  const now = performance.now();
  clearTimeout(before.get(upload)?.timer);
  const timer = setTimeout(() => {
    if (cellNow()) say(cellNow(), 0);
    still();
  }, STILL_MS);
  before.set(upload, { offset, at: now, told, until: now + STILL_MS, timer });
  show(cellNow(), told);
  return true;
}

function show(cell, { offset, length, rate }) {
  say(cell, rate);
  const far = cell.parentElement.querySelector("[data-far]");
  const bar = far?.querySelector("progress");
  if (!far || Boolean(bar) !== Boolean(length)) return;
  if (bar) bar.value = offset;
  const places = { done: size(offset), total: size(length ?? 0) };
  far.querySelector("span").textContent = word(far, bar ? "of" : "so-far", places);
}

function say(cell, rate) {
  cell.textContent = word(cell, rate > 0 ? "now" : "still", { size: size(Math.round(Math.max(0, rate))) });
}
