// The progress and speed of uploads under way, from two fetches of the page or from the live channel.

import { size, word } from "./words.js";

// An upload without news for this long sends no bytes.
const STILL_MS = 5000;

const before = new Map();

/** Writes the speed of each upload into its cell; a new upload keeps the text of the page. */
export function rates(root) {
  const now = performance.now();
  for (const cell of root.querySelectorAll("[data-rate]")) {
    const { rate: id, offset } = cell.dataset;
    const known = before.get(id);
    if (known?.until > now) {
      // The page may be older than the news of the channel.
      show(cell, known.told);
      continue;
    }
    before.set(id, { offset: Number(offset), at: now });
    if (!known || now === known.at) continue;
    say(cell, ((Number(offset) - known.offset) * 1000) / (now - known.at));
  }
}

/**
 * Shows the news of the live channel about an upload; returns whether the page has a row for it.
 *
 * `still` is called when no more news arrived for a while: the upload has ended, or it waits.
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
