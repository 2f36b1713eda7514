// <input type="checkbox" data-live="#list"> keeps that part of the page up to date while it is ticked: after
// events of the live channel, or without the channel by fetching the part every few seconds.

import { concerns } from "./concerns.js";
import { moved, rates } from "./rates.js";
import { ask, isCalm } from "./regions.js";
import { word } from "./words.js";

const EVERY_SECONDS = 4;
// A page that is left open stops fetching after this many times, and a page that was hidden for this long
// closes the channel.
const LOOKS = 300;
const UNSEEN_MS = 60_000;
// A page without a touch for this long stops, so that it does not extend the session.
const UNTOUCHED_MS = 3_600_000;
const TOUCHES = ["pointermove", "pointerdown", "keydown", "scroll"];
// A page that is left within this time opens no connection.
const STAYS_MS = 1000;

const started = new WeakSet();
let touched = performance.now();
for (const kind of TOUCHES) {
  document.addEventListener(kind, () => (touched = performance.now()), { capture: true, passive: true });
}

class Live {
  #box;
  #status;
  #login;
  #channel = null;
  #state = "";
  #looks = 0;
  #last = performance.now();
  #unseen = 0;
  #others = new Set();

  constructor(box) {
    this.#box = box;
    const parent = box.closest("[data-live-box]");
    this.#status = parent?.querySelector("[data-live-status]");
    this.#login = parent?.querySelector("[data-live-login]");
    if (!box.dataset.liveToken) this.#state = "polling";
    box.addEventListener("change", () => this.#chosen());
    document.addEventListener("visibilitychange", () => this.#seen());
    setInterval(() => this.#tick(), 1000);
    setTimeout(() => this.#seen(), STAYS_MS);
    this.#show();
  }

  get #root() {
    return document.querySelector(this.#box.dataset.live);
  }

  get #every() {
    return Number(this.#box.dataset.liveEvery ?? EVERY_SECONDS);
  }

  #look() {
    if (this.#box.checked) ask(this.#box.dataset.live, Number(this.#box.dataset.liveRest ?? 1) * 1000);
  }

  #tick() {
    if (this.#box.checked && performance.now() - touched > UNTOUCHED_MS) this.#pause();
    const { liveCheck = 0 } = this.#box.dataset;
    const isLive = this.#state === "live";
    const every = isLive ? Number(liveCheck) : this.#every;
    if (!every || this.#state === "ended" || !this.#box.checked || !isCalm()) return;
    if (performance.now() - this.#last < every * 1000) return;
    this.#last = performance.now();
    if (!isLive) this.#looks += 1;
    this.#look();
    if (this.#looks >= LOOKS) this.#pause();
  }

  #pause() {
    this.#box.checked = false;
    this.#chosen();
  }

  #chosen() {
    this.#looks = 0;
    if (this.#box.checked) this.#look();
    this.#sync();
    this.#show();
  }

  #seen() {
    clearTimeout(this.#unseen);
    if (document.hidden) this.#unseen = setTimeout(() => this.#sync(), UNSEEN_MS);
    else this.#sync();
  }

  /** Opens the channel if the box is ticked and the page is visible; otherwise closes it. */
  async #sync() {
    const { liveToken: address, liveCsrf: csrf, bucket, liveAfter } = this.#box.dataset;
    if (!address || this.#state === "ended") return;
    const isWanted = () => this.#box.checked && !document.hidden;
    if (!isWanted()) {
      this.#channel?.close();
      return;
    }
    try {
      const { Channel } = await import("./channel.js");
      // A number is the cursor of an earlier release, which expects a number.
      const after = /^\d+$/.test(liveAfter) ? Number(liveAfter) : liveAfter;
      this.#channel ??= new Channel({ address, csrf, bucket, after }, this.#hears());
      if (isWanted()) this.#channel.open();
    } catch {
      this.#become("polling");
    }
  }

  #hears() {
    const { dataset } = this.#box;
    return {
      up: () => this.#become("live"),
      down: () => this.#become("polling"),
      ended: () => this.#become("ended"),
      lost: () => setTimeout(() => this.#look(), STAYS_MS),
      event: (event) => concerns(dataset, this.#root, event) && this.#look(),
      progress: (told) => dataset.liveOf === "uploads" && this.#progress(told),
    };
  }

  #progress(told) {
    if (!this.#box.checked || moved(this.#root, told, () => this.#look())) return;
    // A new upload, or an upload that the page does not show: fetch the part once.
    if (this.#others.has(told.upload)) return;
    this.#others.add(told.upload);
    this.#look();
  }

  #become(state) {
    if (this.#state === state) return;
    this.#state = state;
    this.#show();
  }

  #show() {
    if (!this.#status) return;
    const state = this.#box.checked || this.#state === "ended" ? this.#state : "paused";
    const text = state && word(this.#status, state, { seconds: this.#every });
    if (this.#status.textContent !== text) this.#status.textContent = text;
    this.#status.dataset.state = state;
    this.#login.hidden = state !== "ended";
  }
}

export function live(root) {
  rates(root);
  for (const box of root.querySelectorAll("input[data-live]")) {
    if (started.has(box)) continue;
    started.add(box);
    new Live(box);
  }
}
