// Fetches parts of the page again. Unchanged elements stay, with ticks, focus, open menus and pictures.

import { times } from "./times.js";
import { fetchPage } from "./trusted.js";

// Requests within the first time lead to one fetch; the second is the least time between two fetches.
const GATHER_MS = 100;
const EVERY_MS = 1000;

const asked = new Map();

/** Returns whether the page may change now: it is visible, and no dialog is open. */
export const isCalm = () => !document.hidden && !document.querySelector("dialog[open]");

/** Fetches a part again soon, or when the page is visible and no dialog is open. */
export function ask(selector, every = EVERY_MS) {
  const part = asked.get(selector) ?? { last: -Infinity, timer: 0, busy: false };
  asked.set(selector, Object.assign(part, { wanted: true, every }));
  schedule(selector, part);
}

function schedule(selector, part) {
  if (!part.wanted || part.timer || part.busy || !isCalm()) return;
  const wait = Math.max(GATHER_MS, part.last + part.every - performance.now());
  part.timer = setTimeout(() => run(selector, part), wait);
}

async function run(selector, part) {
  part.timer = 0;
  if (!isCalm()) return;
  part.wanted = false;
  part.busy = true;
  await refresh(selector).catch(() => {});
  part.busy = false;
  part.last = performance.now();
  schedule(selector, part);
}

function resume() {
  for (const [selector, part] of asked) schedule(selector, part);
}

async function refresh(selector) {
  const old = document.querySelector(selector);
  const fresh = old && (await fetchPage(location.href))?.querySelector(selector);
  if (!fresh) return;
  const { Idiomorph } = await import("idiomorph");
  const ticked = new Set([...old.querySelectorAll("input:checked")].map(({ value }) => value));
  for (const box of fresh.querySelectorAll("input[data-select]")) {
    box.checked = ticked.has(box.value);
  }
  times(fresh);
  named(old);
  named(fresh);
  Idiomorph.morph(old, fresh, { callbacks: { beforeAttributeUpdated: mayChange } });
  document.dispatchEvent(new CustomEvent("wharf:shown", { detail: old }));
}

/** Gives rows ids to recognize them: from `data-row`, or from the value of their check box. */
function named(root) {
  for (const row of root.querySelectorAll("tr, li")) {
    const name = row.dataset.row ?? row.querySelector("[data-select]")?.value;
    if (name !== undefined) row.id ||= `row-${encodeURIComponent(name)}`;
  }
}

/** Keeps the changes of scripts and of the person: hidden pictures and open menus. */
function mayChange(attribute, element) {
  if (attribute === "hidden") return !element.matches("[data-thumb]");
  return attribute !== "open" || !element.matches("details");
}

document.addEventListener("visibilitychange", resume);
// The event of dialogs, which does not bubble.
document.addEventListener("close", resume, true);
