// Whether something that has happened changes what a part of the page shows.

// A folder that is there already stays as it is.
const ADDED = new Set(["file.created", "file.replaced", "file.changed"]);

/** Of a list of files: what its filter lets through, and of what is deeper only new and lost folders. */
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
  // An upload that has ended has become a file.
  uploads: (_, root, event) => ADDED.has(event.kind) && root.querySelector("[data-rate]"),
};

/** Returns whether a part has to be fetched again; `told` is the data of its box. */
export const concerns = (told, root, event) => OF[told.liveOf]?.(told, root, event) ?? true;
