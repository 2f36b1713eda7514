// <button data-copy="#id"> copies the text of an element, or the value of a field, to the clipboard.

import { word } from "./words.js";

const SHOWN_MS = 2500;

/** Copies without navigator.clipboard, which is missing on plain HTTP. */
function copyOld(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  const holder = document.querySelector("dialog[open]") ?? document.body;
  holder.append(field);
  field.select();
  try {
    return document.execCommand("copy");
  } finally {
    field.remove();
  }
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyOld(text);
  }
}

async function onClick(event) {
  const button = event.target.closest?.("button[data-copy]");
  const source = button && document.querySelector(button.dataset.copy);
  if (!source) return;
  const copied = await copyText("value" in source ? source.value : source.textContent.trim());
  // The status is next to the button, because screen readers do not announce changes inside a button.
  const status = button.parentElement.querySelector("[role=status]");
  button.focus();
  if (!copied && "select" in source) source.select();
  if (!status) return;
  status.textContent = word(button, copied ? "copied" : "failed");
  setTimeout(() => (status.textContent = ""), SHOWN_MS);
}

document.addEventListener("click", onClick);
