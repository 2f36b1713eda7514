// The reference of an API: Redoc, with what it lacks for people who do not see or hit small targets.

const options = { hideDownloadButton: true, scrollYOffset: 0 };

function mend(root) {
  // Redoc skips levels of headings.
  for (const heading of root.querySelectorAll("h5")) heading.ariaLevel = "3";
  // What scrolls has to be reached by the keyboard.
  for (const example of root.querySelectorAll("pre")) example.tabIndex = 0;
}

for (const root of document.querySelectorAll("[data-reference]")) {
  new MutationObserver(() => mend(root)).observe(root, { childList: true, subtree: true });
  // From then on the list of the documents is out of the way.
  window.Redoc.init(root.dataset.reference, options, root, (failed) => {
    if (!failed) document.documentElement.dataset.scripts = "on";
  });
}
