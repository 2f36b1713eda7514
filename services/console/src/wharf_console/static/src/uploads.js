// Uploads on every page with a tray: files from the drop zone go into a queue and into rows.

import { Queue } from "./queue.js";
import { ask } from "./regions.js";
import { Rows, stateOf } from "./rows.js";
import { listen } from "./sources.js";
import { Tickets } from "./tickets.js";
import { made, word } from "./words.js";

const SHOW_MS = 100;

class Uploads {
  #tray;
  #zone = document.querySelector("[data-drop-zone]");
  #rows;
  #queue = null;
  #rowOf = new Map();
  #changed = new Map();
  #timer = null;

  constructor(tray) {
    this.#tray = tray;
    const act = (action, row) => this.#act(action, row);
    this.#rows = new Rows(tray, act, () => this.#queue?.backlog ?? 0);
  }

  async start() {
    const { endpoint, queue: owner, tickets: address, csrf, ticket: fixed } = this.#tray.dataset;
    // Files that are added before the queue is restored wait for it.
    const opened = Queue.open({
      owner,
      endpoint,
      tickets: new Tickets({ address, csrf, fixed }),
      events: {
        added: (file) => this.#added(file),
        changed: (file) => this.#later(file),
        stored: (file, at) => this.#stored(file, at),
        failed: (file, why) => this.#failed(file, why),
      },
    });
    if (this.#zone) listen(this.#zone, async (pairs) => this.#add(await opened, pairs));
    this.#queue = await opened;
    this.#listen();
    this.#tray.dataset.uploads = "ready";
  }

  #listen() {
    for (const button of this.#tray.querySelectorAll("[data-uploads-all]")) {
      button.addEventListener("click", () => this.#actOnAll(button.dataset.uploadsAll));
    }
    window.addEventListener("offline", () => this.#showAll());
    window.addEventListener("online", () => {
      this.#showAll();
      for (const file of this.#queue.files()) if (stateOf(file) === "failed") this.#queue.start(file.id);
    });
    window.addEventListener("beforeunload", (event) => {
      if (this.#queue.losesFiles()) event.preventDefault();
    });
  }

  #add(queue, pairs) {
    const { bucket, prefix: target = "" } = this.#zone.dataset;
    queue.add(pairs, { bucket, target });
  }

  #added(file) {
    // A restored file without bytes already has a row.
    const row = this.#rowOf.get(file.id) ?? this.#rows.add(file.meta.prefix + file.meta.filename);
    row.id = file.id;
    row.file = file;
    this.#rowOf.set(file.id, row);
    this.#show(file);
  }

  #later(file) {
    this.#changed.set(file.id, file);
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      for (const one of this.#changed.values()) this.#show(one);
      this.#changed.clear();
    }, SHOW_MS);
  }

  #showAll() {
    this.#queue.files().forEach((file) => this.#show(file));
  }

  #show(file) {
    const row = this.#rowOf.get(file.id);
    const state = stateOf(file);
    // The handlers of the events stored and failed show the end of an upload.
    if (!row || state === "done" || state === "failed") return;
    const { bytesUploaded, bytesTotal } = file.progress;
    row.show(state, { done: bytesUploaded || 0, total: bytesTotal ?? 0 });
    this.#rows.changed();
  }

  #stored(file, at) {
    const row = this.#rowOf.get(file.id);
    this.#rowOf.delete(file.id);
    this.#changed.delete(file.id);
    const name = at?.key.split("/").at(-1);
    const other = name && name.normalize() !== file.meta.filename.normalize();
    row?.show("done", { total: file.size, text: other ? word(this.#tray, "renamed", { name }) : "" });
    const { filePage } = this.#tray.dataset;
    if (row && at && filePage) row.link(filePage + at.path.replace("/", "/f/"));
    this.#rows.changed();
    this.#tray.dispatchEvent(new CustomEvent("wharf:stored", { bubbles: true, detail: at }));
    const { bucket, region } = this.#zone?.dataset ?? {};
    if (region && bucket === file.meta.bucket) ask(region);
  }

  #failed(file, { said, isFinal }) {
    const row = this.#rowOf.get(file.id);
    if (isFinal) this.#rowOf.delete(file.id);
    this.#changed.delete(file.id);
    if (!row) return;
    row.file = file;
    const isOver = said?.status === 401;
    row.show("failed", { text: isOver ? word(this.#tray, "session") : (said?.message ?? "") });
    const login = this.#tray.querySelector("[data-uploads-login]");
    if (login && isOver) login.hidden = false;
    this.#rows.changed();
  }

  #act(action, row) {
    const inQueue = this.#rowOf.get(row.id) === row;
    if (action === "pause") this.#queue.pause(row.id);
    else if (action === "resume") this.#queue.resume(row.id);
    else if (action === "choose") this.#choose(row);
    else if (action === "retry" && inQueue) this.#queue.start(row.id);
    else {
      if (inQueue) {
        this.#rowOf.delete(row.id);
        this.#queue.cancel(row.id);
      }
      this.#rows.remove(row);
      if (action === "retry") {
        const { data, meta } = row.file;
        this.#queue.add([[data, meta.prefix + meta.filename]], meta);
      }
    }
  }

  /** Asks the person for the file of a row, because the browser has not stored its bytes. */
  #choose(row) {
    const { meta, size } = row.file;
    const input = made("input", { type: "file" });
    input.addEventListener("change", () => {
      const [file] = input.files;
      const isSame = file.size === size && file.lastModified === meta.modified;
      if (!isSame || file.name !== meta.filename) row.show("missing", { text: word(this.#tray, "other") });
      else this.#queue.add([[file, meta.prefix + meta.filename]], meta);
    });
    input.click();
  }

  #actOnAll(action) {
    if (action === "clear") this.#rows.clear();
    else if (action === "cancel") {
      this.#queue.cancelAll();
      for (const row of this.#rowOf.values()) this.#rows.remove(row);
      this.#rowOf.clear();
    } else for (const [id, { state }] of [...this.#rowOf]) {
      if (action === "pause" && ["waiting", "sending"].includes(state)) this.#queue.pause(id);
      if (action === "resume" && state === "paused") this.#queue.resume(id);
    }
  }
}

export const uploads = (tray) => new Uploads(tray).start();
