// A dangerous action leads to a page with a question; with scripts, a dialog shows the question.

import { show } from "./dialogs.js";
import { fetchPage } from "./trusted.js";

/** Shows the question of the page; returns false if the browser must open the page. */
async function ask(address, options) {
  try {
    const page = await fetchPage(address, options);
    const question = page?.querySelector("[data-dialog]");
    if (!question) return false;
    show(question);
    return true;
  } catch {
    return false;
  }
}

async function onClick(event) {
  const link = event.target.closest?.("a[data-confirm]");
  if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (!(await ask(link.href))) location.assign(link.href);
}

async function onSubmit(event) {
  const { target: form, submitter: button } = event;
  if (!button?.hasAttribute("data-confirm")) return;
  event.preventDefault();
  const data = new URLSearchParams(new FormData(form, button));
  const address = new URL(button.getAttribute("formaction") ?? form.action, location.href);
  const method = (button.getAttribute("formmethod") ?? form.method).toUpperCase();
  if (method === "GET") address.search = data;
  if (await ask(address, method === "GET" ? {} : { method, body: data })) return;
  button.removeAttribute("data-confirm");
  form.requestSubmit(button);
}

document.addEventListener("click", onClick);
document.addEventListener("submit", onSubmit);
