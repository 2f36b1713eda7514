// The script of every page of the console. static/src/README.md describes the markup for each module.

import "./confirm.js";
import "./copy.js";
import { live } from "./live.js";
import "./playing.js";
import { pictures } from "./preview.js";
import { selection } from "./selection.js";
import { times } from "./times.js";

function start(root) {
  times(root);
  selection(root);
  live(root);
  pictures(root);
}

const { dataset } = document.documentElement;
dataset.scripts = "on";
start(document);
document.addEventListener("wharf:shown", ({ detail }) => start(detail.parentNode ?? detail));
// Only pages with uploads load the module for uploads. If that fails, the page shows the plain form.
const tray = document.querySelector("[data-uploads]");
if (tray) {
  import("./uploads.js").then(({ uploads }) => uploads(tray)).catch(() => delete dataset.scripts);
}
