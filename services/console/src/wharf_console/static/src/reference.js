// The reference of an API: Redoc, with additions for screen readers and the keyboard.

const options = { hideDownloadButton: true, scrollYOffset: 0 };

function mend(root) {
  // Redoc skips levels of headings.
  for (const heading of root.querySelectorAll("h5")) heading.ariaLevel = "3";
  // The keyboard must reach elements that scroll.
  for (const example of root.querySelectorAll("pre")) example.tabIndex = 0;
}

for (const root of document.querySelectorAll("[data-reference]")) {
  new MutationObserver(() => mend(root)).observe(root, { childList: true, subtree: true });
  // After that the list of the documents is hidden.
  window.Redoc.init(root.dataset.reference, options, root, (failed) => {
    if (!failed) document.documentElement.dataset.scripts = "on";
  });
}
