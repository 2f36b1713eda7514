// A form with check boxes in its rows: one box for all, a range with Shift, and buttons that need a selection.

import { count, word } from "./words.js";

const boxesOf = (form) => [...form.querySelectorAll("input[type=checkbox][data-select]")];

function update(form) {
  const boxes = boxesOf(form);
  const chosen = boxes.filter((box) => box.checked).length;
  const all = form.querySelector("[data-select-all]");
  if (all) {
    all.checked = chosen > 0 && chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
    all.disabled = boxes.length === 0;
  }
  for (const button of form.querySelectorAll("[data-needs-selection]")) {
    button.disabled = chosen === 0;
  }
  for (const place of form.querySelectorAll("[data-selection-count]")) {
    place.textContent = chosen ? word(place, "selected", { count: count(chosen) }) : "";
  }
}

let last = null;

function onClick(event) {
  const form = event.target.closest?.("form[data-selection]");
  if (!form || !event.target.matches("input[data-select]")) return;
  const boxes = boxesOf(form);
  if (event.shiftKey && boxes.includes(last)) {
    const [from, to] = [boxes.indexOf(last), boxes.indexOf(event.target)].sort((a, b) => a - b);
    for (const box of boxes.slice(from, to + 1)) box.checked = event.target.checked;
  }
  last = event.target;
  update(form);
}

function onChange(event) {
  const form = event.target.closest?.("form[data-selection]");
  if (!form) return;
  if (event.target.matches("[data-select-all]")) {
    for (const box of boxesOf(form)) box.checked = event.target.checked;
  }
  update(form);
}

export function selection(root) {
  root.querySelectorAll("form[data-selection]").forEach(update);
}

document.addEventListener("click", onClick);
document.addEventListener("change", onChange);
// The browser restores ticks when the person returns to the page.
window.addEventListener("pageshow", () => selection(document));
