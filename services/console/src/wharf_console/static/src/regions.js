// A part of the page that is fetched again, with its ticks kept.

import { fetchPage } from "./trusted.js";

export async function refresh(selector) {
  const old = document.querySelector(selector);
  const fresh = old && (await fetchPage(location.href).catch(() => null))?.querySelector(selector);
  if (!fresh) return;
  const ticked = new Set([...old.querySelectorAll("input:checked")].map(({ value }) => value));
  for (const box of fresh.querySelectorAll("input[data-select]")) {
    box.checked = ticked.has(box.value);
  }
  const focused = old.contains(document.activeElement) && document.activeElement.id;
  old.replaceWith(document.adoptNode(fresh));
  if (focused) document.getElementById(focused)?.focus();
  document.dispatchEvent(new CustomEvent("wharf:shown", { detail: fresh }));
}
