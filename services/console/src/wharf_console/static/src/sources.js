// The sources of files: file fields, folders, drag and drop anywhere on the page, the clipboard.

import { getDroppedFiles } from "@uppy/core/utils";

// The files that file managers create in folders.
const LITTER = new Set([".DS_Store", "Thumbs.db", "desktop.ini"]);

/** Returns files with their paths below the chosen folder: [file, "folder/name"]. */
function withPaths(files) {
  return [...files]
    .map((file) => {
      const path = (file.relativePath || file.webkitRelativePath || file.name).replace(/^\/+/, "");
      return [file, path];
    })
    .filter(([{ name }, path]) => path === name || !LITTER.has(name));
}

const hasFiles = (transfer) => transfer?.types.includes("Files") ?? false;

/** Gives a pasted picture a name with the time, because browsers call each image.png. */
function named(file) {
  if (file.name !== "image.png") return file;
  const time = new Date().toISOString().slice(0, 19).replace("T", " ").replaceAll(":", "-");
  return new File([file], `image ${time}.png`, { type: file.type, lastModified: file.lastModified });
}

/** Calls `take` with [file, path] pairs when the person gives files to the page. */
export function listen(zone, take) {
  const html = document.documentElement;
  let inside = 0;

  for (const input of zone.querySelectorAll("input[type=file]")) {
    input.addEventListener("change", () => {
      take(withPaths(input.files));
      input.value = ""; // the same file may be chosen again
    });
  }
  // Chosen files are uploaded immediately; the form is for pages without scripts.
  zone.querySelector("form")?.addEventListener("submit", (event) => {
    if (html.dataset.scripts) event.preventDefault();
  });
  const dragged = (change) => (event) => {
    if (!hasFiles(event.dataTransfer)) return;
    event.preventDefault();
    inside = Math.max(0, inside + change);
    html.toggleAttribute("data-dragging", inside > 0);
  };
  document.addEventListener("dragenter", dragged(1));
  document.addEventListener("dragleave", dragged(-1));
  document.addEventListener("dragover", dragged(0));
  document.addEventListener("drop", async (event) => {
    if (!hasFiles(event.dataTransfer)) return;
    event.preventDefault();
    inside = 0;
    html.removeAttribute("data-dragging");
    take(withPaths(await getDroppedFiles(event.dataTransfer)));
  });
  document.addEventListener("paste", (event) => {
    if (event.target.closest?.("input, textarea") || !event.clipboardData?.files.length) return;
    event.preventDefault();
    take(withPaths([...event.clipboardData.files].map(named)));
  });
}
