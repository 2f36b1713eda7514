// Shows files of a list in a dialog with arrow keys, and previews of pictures before they are sent.

import { isOpen, show } from "./dialogs.js";
import { fetchPage } from "./trusted.js";
import { made, size } from "./words.js";

let current = null;

const links = () => [...document.querySelectorAll("a[data-preview]")];

async function open(link) {
  current = link;
  try {
    const page = await fetchPage(link.href);
    const body = page?.querySelector("[data-preview-body]");
    if (!body) throw new Error("the page has no preview");
    // The person may have moved on with the arrow keys while the page was loading.
    if (current === link) show(body);
  } catch {
    location.assign(link.href);
  }
}

function onClick(event) {
  const link = event.target.closest?.("a[data-preview]");
  if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  open(link);
}

function onKey(event) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step || !isOpen() || !current || event.target.matches("input, textarea, select")) return;
  const all = links();
  const next = all[all.indexOf(current) + step];
  if (!next) return;
  event.preventDefault();
  open(next);
}

/** Replaces a small picture that does not exist: by the file, or by hiding it so that an icon shows. */
function replace(picture) {
  const { instead } = picture.dataset;
  if (instead) {
    delete picture.dataset.instead;
    picture.src = instead;
  } else picture.hidden = true;
}

function onError(event) {
  if (event.target.matches?.("img[data-thumb]")) replace(event.target);
}

/** Replaces the small pictures that failed before this script ran. */
export function pictures(root) {
  for (const picture of root.querySelectorAll("img[data-thumb]")) {
    if (picture.complete && !picture.naturalWidth) replace(picture);
  }
}

function listed(file) {
  const item = made("li", {}, made("bdi", {}, file.name), ` ${size(file.size)}`);
  if (!/^image\/(png|jpeg|gif|webp|avif)$/.test(file.type)) return item;
  const picture = made("img", { alt: "", width: "64", height: "64" });
  picture.src = URL.createObjectURL(file);
  picture.addEventListener("load", () => URL.revokeObjectURL(picture.src), { once: true });
  item.prepend(picture);
  return item;
}

function onChange(event) {
  const input = event.target.closest?.("input[type=file][data-previews]");
  const list = input && document.querySelector(input.dataset.previews);
  list?.replaceChildren(...[...input.files].map(listed));
}

document.addEventListener("click", onClick);
document.addEventListener("keydown", onKey);
document.addEventListener("error", onError, true);
document.addEventListener("change", onChange);
