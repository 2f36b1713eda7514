// The live channel of a page: one Socket.IO connection. Its token is renewed before it expires.

import { io } from "socket.io-client";

// The wait before the next attempt. It doubles after each attempt; a good connection resets it.
const FIRST_MS = 1000;
const MOST_MS = 300_000;
const GOOD_MS = 10_000;
// The longest wait for a response.
const TIMEOUT_MS = 8000;
// A token is renewed after this part of its lifetime.
const RENEW_PART = 0.8;
const RENEW_AGAIN_MS = 10_000;

export class Channel {
  #address;
  #csrf;
  #bucket;
  #hears;
  #socket;
  #token = "";
  #after;
  #wanted = false;
  #wait = FIRST_MS;
  #timers = {};

  /**
   * The channel calls the functions of `hears`: `up()`, `down()`, `ended()`, `event(…)`, `progress(…)`
   * and `lost()`. `lost` means that events may be missing. With `bucket`, only its events arrive.
   */
  constructor({ address, csrf, bucket, after }, hears) {
    this.#address = address;
    this.#csrf = csrf;
    this.#bucket = bucket;
    this.#after = after;
    this.#hears = hears;
    this.#socket = io({
      autoConnect: false,
      // Each attempt needs a new token.
      reconnection: false,
      timeout: TIMEOUT_MS,
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      auth: (give) => give({ token: this.#token, ...(this.#after ? { after: this.#after } : {}) }),
    });
    this.#listen();
  }

  open() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#connect();
  }

  close() {
    this.#wanted = false;
    this.#wait = FIRST_MS;
    Object.values(this.#timers).forEach(clearTimeout);
    this.#socket.disconnect();
  }

  #listen() {
    const { event, progress, lost } = this.#hears;
    this.#socket.on("connect", () => this.#connected());
    this.#socket.on("disconnect", () => this.#failed());
    this.#socket.on("connect_error", () => this.#failed());
    this.#socket.on("event", (told) => {
      this.#after = told.id;
      event(told);
    });
    this.#socket.on("progress", progress);
    this.#socket.on("resync", ({ after }) => {
      this.#after = after;
      lost();
    });
    // `bye` has the reason of the disconnect that follows. The request for a new token tells whether the
    // channel may connect again.
    this.#socket.on("bye", () => {});
  }

  async #connect() {
    try {
      if ((await this.#renew()) && this.#wanted) this.#socket.connect();
    } catch {
      this.#failed();
    }
  }

  #connected() {
    this.#in("good", GOOD_MS, () => (this.#wait = FIRST_MS));
    if (this.#bucket) this.#socket.emit("msg", { op: "subscribe", bucket: this.#bucket });
    this.#hears.up();
    // Without a cursor, the events between the page and the connection are not known.
    if (!this.#after) this.#hears.lost();
  }

  #failed() {
    if (!this.#wanted) return;
    Object.values(this.#timers).forEach(clearTimeout);
    this.#socket.disconnect();
    this.#hears.down();
    this.#in("connect", this.#wait * (0.5 + Math.random() / 2), () => this.#connect());
    this.#wait = Math.min(MOST_MS, 2 * this.#wait);
  }

  /** Gets a token, and a new one before it expires; returns false when the session has ended. */
  async #renew() {
    const answer = await fetch(this.#address, {
      method: "POST",
      headers: { Accept: "application/json", "X-CSRFToken": this.#csrf },
      credentials: "same-origin",
      redirect: "manual",
    });
    if (answer.status === 401 || answer.type === "opaqueredirect") {
      this.close();
      this.#hears.ended();
      return false;
    }
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const { token, expires_in } = await answer.json();
    this.#token = token;
    this.#in("renew", expires_in * 1000 * RENEW_PART, () => this.#renewed());
    return true;
  }

  async #renewed() {
    try {
      if (await this.#renew()) this.#socket.emit("msg", { op: "token", token: this.#token });
    } catch {
      this.#in("renew", RENEW_AGAIN_MS, () => this.#renewed());
    }
  }

  #in(name, wait, act) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(act, wait);
  }
}
