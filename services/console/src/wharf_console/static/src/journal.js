// What a queue did a moment ago. Golden Retriever keeps a queue half a second late, and what it has not
// kept when the page is left would be undone: a file that has arrived would be asked for again.

const PREFIX = "wharf-journal-";
// By then Golden Retriever has kept it, also in a busy browser.
const KEPT_MS = 10_000;

/** Notes about files by their ids, on the browser's disk before the next line runs. */
export class Journal {
  #key;
  #notes;

  constructor(slot) {
    this.#key = PREFIX + slot;
    this.#notes = new Map(this.#read());
  }

  /** What is noted of a file: {isOver, isPaused, uploadUrl}, each if it has changed lately. */
  of(id) {
    return this.#notes.get(id) ?? {};
  }

  note(id, changes) {
    const now = Date.now();
    const before = this.of(id);
    // To the end, so that the oldest ones stand first.
    this.#notes.delete(id);
    this.#notes.set(id, { ...before, ...changes, at: now });
    for (const [old, { at }] of this.#notes) {
      if (now - at < KEPT_MS) break;
      this.#notes.delete(old);
    }
    this.#write();
  }

  /** Forgets a file: one of the same name is in the queue from now on. */
  forget(id) {
    if (this.#notes.delete(id)) this.#write();
  }

  #read() {
    try {
      return JSON.parse(localStorage.getItem(this.#key) ?? "[]");
    } catch {
      return [];
    }
  }

  #write() {
    try {
      if (this.#notes.size > 0) localStorage.setItem(this.#key, JSON.stringify([...this.#notes]));
      else localStorage.removeItem(this.#key);
    } catch {
      // Full or switched off: the queue is as good as Golden Retriever keeps it.
    }
  }
}
