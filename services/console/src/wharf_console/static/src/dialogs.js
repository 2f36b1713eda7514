// One <dialog> that shows parts of other pages: confirmations and previews.

import { made, word } from "./words.js";

const dialog = made("dialog", { "data-page-dialog": "" });

function onDialogClick(event) {
  // If the target of a click is the dialog itself, the click was on the backdrop.
  if (event.target === dialog || event.target.closest("[data-close]")) {
    event.preventDefault();
    dialog.close();
  }
}

dialog.addEventListener("click", onDialogClick);
dialog.addEventListener("close", () => dialog.replaceChildren());

export const isOpen = () => dialog.open;

/** Shows a part of a page; `body` has a heading that names the dialog. */
export function show(body) {
  if (!dialog.isConnected) document.body.append(dialog);
  const part = document.adoptNode(body);
  const heading = part.querySelector("h1, h2");
  if (heading) {
    heading.id ||= "dialog-title";
    dialog.setAttribute("aria-labelledby", heading.id);
  }
  const article = made("article", {}, part);
  if (!part.querySelector("[data-close]")) {
    const label = word(document.body, "close");
    article.prepend(made("button", { type: "button", class: "close", "data-close": "", "aria-label": label }));
  }
  dialog.replaceChildren(article);
  if (!dialog.open) dialog.showModal();
  document.dispatchEvent(new CustomEvent("wharf:shown", { detail: article }));
}
