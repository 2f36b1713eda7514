// The latest changes of a queue. Golden Retriever stores a queue half a second late. Without this journal,
// the changes of the last half second before the page is left would be lost: the page would ask again for a
// file that has arrived.

const PREFIX = "wharf-journal-";
// After this time Golden Retriever has stored the change, even in a busy browser.
const KEPT_MS = 10_000;

/** Notes about files by their ids, stored synchronously in localStorage. */
export class Journal {
  #key;
  #notes;

  constructor(slot) {
    this.#key = PREFIX + slot;
    this.#notes = new Map(this.#read());
  }

  /** Returns the notes about a file: {isOver, isPaused, uploadUrl}, each only if it has changed recently. */
  of(id) {
    return this.#notes.get(id) ?? {};
  }

  note(id, changes) {
    const now = Date.now();
    const before = this.of(id);
    // Move the note to the end, so that the oldest notes are first.
    this.#notes.delete(id);
    this.#notes.set(id, { ...before, ...changes, at: now });
    for (const [old, { at }] of this.#notes) {
      if (now - at < KEPT_MS) break;
      this.#notes.delete(old);
    }
    this.#write();
  }

  /** Removes the notes about a file, because a new file with the same id is in the queue. */
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
      // The storage is full or disabled: only Golden Retriever's copy of the queue remains.
    }
  }
}
