// The list of uploads: one row for each file, with its name, its progress and buttons.

import { count, made, size, word } from "./words.js";

// The buttons of a row in each state.
const ACTIONS = {
  waiting: ["pause", "cancel"],
  sending: ["pause", "cancel"],
  offline: ["cancel"],
  finishing: [],
  paused: ["resume", "cancel"],
  missing: ["choose", "cancel"],
  failed: ["retry", "dismiss"],
  done: ["dismiss"],
};
const SUMMARY_MS = 1000;
// The number of completed files that stay in the list.
const DONE_ROWS = 50;

// The states of the rows to which a button for all rows applies.
const ALL = {
  pause: ["waiting", "sending"],
  resume: ["paused"],
  cancel: ["waiting", "sending", "offline", "paused", "missing"],
  clear: ["done"],
};

/** Returns the state of a file of Uppy. */
export function stateOf({ error, isGhost, isPaused, progress }) {
  if (progress.uploadComplete) return "done";
  if (isGhost) return "missing";
  if (error) return "failed";
  if (isPaused) return "paused";
  if (!navigator.onLine) return "offline";
  if (!progress.bytesUploaded) return "waiting";
  return progress.bytesUploaded < progress.bytesTotal ? "sending" : "finishing";
}

class Row {
  state = "";
  #tray;
  #name;
  #bar = made("progress", { max: "1", value: "0" });
  #words = made("span", { class: "words" });
  #buttons = made("span", { class: "buttons" });

  constructor(tray, name, act) {
    this.#tray = tray;
    this.#name = name;
    this.#bar.setAttribute("aria-label", name);
    this.element = made("li", {}, made("bdi", {}, name), this.#bar, this.#words, this.#buttons);
    this.#buttons.addEventListener("click", ({ target }) => {
      const { action } = target.closest("button")?.dataset ?? {};
      if (action) act(action, this);
    });
  }

  /** Shows a state; `done`, `total` and `name` are inserted into its text, and `text` replaces it. */
  show(state, { done = 0, total = 0, text = "", name = "" } = {}) {
    this.#bar.value = state === "done" ? 1 : done / (total || 1);
    const places = { done: size(done), total: size(total), name };
    const words = text || word(this.#tray, state, places);
    if (this.#words.textContent !== words) this.#words.textContent = words;
    if (state === this.state) return;
    const before = ACTIONS[this.state]?.join();
    this.state = this.element.dataset.state = state;
    this.#bar.hidden = state === "done" || state === "failed";
    if (ACTIONS[state].join() === before) return;
    const focused = this.#buttons.contains(document.activeElement);
    this.#buttons.replaceChildren(...ACTIONS[state].map((action) => this.#button(action)));
    if (focused) (this.#buttons.querySelector("button") ?? this.#tray).focus();
  }

  /** Makes the name of the stored file a link to its page. */
  link(address) {
    this.element.querySelector("bdi").replaceChildren(made("a", { href: address }, this.#name));
  }

  /** Removes the row; moves the focus to its neighbour. */
  remove() {
    const focused = this.element.contains(document.activeElement);
    const neighbour = this.element.nextElementSibling ?? this.element.previousElementSibling;
    this.element.remove();
    if (focused) (neighbour?.querySelector("button") ?? this.#tray).focus();
  }

  #button(action) {
    const name = made("span", { class: "visually-hidden" }, " ", this.#name);
    return made("button", { type: "button", "data-action": action }, word(this.#tray, action), name);
  }
}

/** All rows, and the summary line. */
export class Rows {
  #tray;
  #act;
  #backlog;
  #list;
  #summary;
  #rows = new Set();
  #timer = null;
  #gone = 0;

  /** `backlog` returns the number of files that are not in the list yet. */
  constructor(tray, act, backlog) {
    this.#backlog = backlog;
    this.#tray = tray;
    this.#act = act;
    this.#list = tray.querySelector("[data-uploads-list]");
    this.#summary = tray.querySelector("[data-uploads-summary]");
    tray.tabIndex = -1; // gets the focus when the last row is removed
  }

  add(name) {
    const row = new Row(this.#tray, name, this.#act);
    this.#rows.add(row);
    this.#list.append(row.element);
    this.#tray.hidden = false;
    this.changed();
    return row;
  }

  remove(row) {
    row.remove();
    this.#rows.delete(row);
    if (this.#rows.size === 0) this.#hide();
    this.changed();
  }

  #hide() {
    const focused = this.#tray.contains(document.activeElement);
    this.#tray.hidden = true;
    this.#gone = 0;
    if (focused) document.querySelector("main")?.focus();
  }

  /** Returns the number of rows in one of these states. */
  number(...states) {
    return [...this.#rows].filter(({ state }) => states.includes(state)).length;
  }

  /** Removes the rows of completed files. */
  clear() {
    this.#gone = 0;
    for (const row of [...this.#rows]) if (row.state === "done") this.remove(row);
  }

  #forgetOld() {
    const done = [...this.#rows].filter(({ state }) => state === "done");
    for (const row of done.slice(0, -DONE_ROWS)) {
      row.remove();
      this.#rows.delete(row);
      this.#gone += 1;
    }
  }

  /** Updates the summary, at most once a second, so that screen readers can announce it. */
  changed() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#forgetOld();
      const [done, failed] = [this.number("done") + this.#gone, this.number("failed")];
      const total = this.#rows.size + this.#gone + this.#backlog();
      const places = { done: count(done), failed: count(failed), total: count(total) };
      const words = [word(this.#tray, "summary", places)];
      if (failed) words.push(word(this.#tray, "failures", places));
      this.#summary.textContent = words.join(" ");
      for (const button of this.#tray.querySelectorAll("[data-uploads-all]")) {
        button.hidden = this.number(...ALL[button.dataset.uploadsAll]) < 2;
      }
    }, SUMMARY_MS);
  }
}
