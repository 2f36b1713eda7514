// Tells whether an event changes a part of the page.

// These events do not change a folder that the list already shows.
const ADDED = new Set(["file.created", "file.replaced", "file.changed"]);

/** For a list of files: a file of the list, or a file below it that adds or removes a folder. */
function inList({ bucket, prefix }, root, event) {
  const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  const folders = () => [...root.querySelectorAll("a.folder")].map((link) => link.textContent);
  return [event.file, event.moved_from].some((place) => {
    if (place?.bucket !== bucket || !place.key.startsWith(prefix)) return false;
    const [below, ...deeper] = place.key.slice(folder.length).split("/");
    return !deeper.length || !ADDED.has(event.kind) || !folders().includes(`${below}/`);
  });
}

const OF = {
  files: inList,
  events: ({ kind }, root, event) => !kind || event.kind === kind,
  // A new file may be a completed upload.
  uploads: (_, root, event) => ADDED.has(event.kind) && root.querySelector("[data-rate]"),
};

/** Returns whether a part must be fetched again; `told` is the dataset of its box. */
export const concerns = (told, root, event) => OF[told.liveOf]?.(told, root, event) ?? true;
