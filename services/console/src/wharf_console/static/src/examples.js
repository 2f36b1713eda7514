// Dropzone's settings for the form with the id "zone", which dropzone finds automatically.

const zone = document.getElementById("zone");
Dropzone.options.zone = {
  paramName: "files",
  dictDefaultMessage: zone.dataset.words,
  error(file, message) {
    // A refusal is a problem document; show its detail.
    try {
      message = JSON.parse(message).detail;
    } catch {}
    Dropzone.prototype.defaultOptions.error.call(this, file, message);
  },
  init() {
    this.on("addedfile", ({ name, previewElement }) => {
      previewElement.querySelector("img").alt = name;
    });
  },
};
