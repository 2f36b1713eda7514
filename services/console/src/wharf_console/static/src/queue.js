// A queue of files that Uppy, without its user interface, uploads by tus, four at the same time.

import Uppy from "@uppy/core";
import GoldenRetriever from "@uppy/golden-retriever";
import Tus from "@uppy/tus";

import { Journal } from "./journal.js";
import { restored, takeSlot } from "./slots.js";
import { Refusal } from "./tickets.js";

const MIB = 1024 * 1024;
const AT_ONCE = 4;
// The time of each change in Uppy grows with the number of its files, so further files wait outside.
const AT_HAND = 100;
const CHUNK_BYTES = 8 * MIB;
const RETRY_MS = [500, 1000, 3000, 5000, 10_000, 20_000, 30_000];
// The browser stores copies of files up to this size. For larger files it stores only the progress, and the
// person must choose them again.
const KEPT_FILE_BYTES = 256 * MIB;
const KEPT_BYTES = 1024 * MIB;
// The estimated time in which the browser copies a file.
const KEEPING_MS = 600;
const KEPT_BYTES_PER_MS = 100_000;
// tus-js-client handles these statuses of HEAD: 404 and 410 (the upload does not exist) and 423 (it is
// locked). After other errors the queue sends HEAD again.
const GONE = [404, 410, 423];
const TOKEN_REFUSALS = ["token-expired", "token-revoked", "ticket-used-up"];

/** Returns whether the same request may succeed later. */
function isPassing(status, method) {
  if (status === 409) return method !== "POST"; // the offset differs; for a creation 409 is final
  return status === 0 || status === 423 || status === 429 || (status >= 500 && status !== 507);
}

/** Marks capitals in a path, because Uppy's ids are in lower case: A.txt and a.txt are two files. */
const spelled = (path) => path.replace(/\p{Lu}/gu, "^$&");

/** Returns a file in Uppy's format. */
const described = (file, path, { bucket, target }) => ({
  name: file.name,
  type: file.type,
  data: file,
  source: "console",
  meta: {
    bucket,
    target,
    prefix: path.slice(0, path.length - file.name.length),
    filename: file.name,
    filetype: file.type,
    modified: file.lastModified,
    // A part of Uppy's id, because the same file may be uploaded to two places.
    relativePath: spelled(`${bucket}/${target}${path}`),
  },
});

/** The queue; it calls the functions added, changed, stored and failed of `events`. */
export class Queue {
  #journal;
  #tickets;
  #uppy;
  #backlog = [];
  #waiting = new Set();
  #running = new Set();
  #refusals = new Map();
  #addedAt = new Map();

  /** Makes a queue and restores the files that it had before the page was loaded again. */
  static async open({ owner, endpoint, tickets, events }) {
    const slot = owner ? await takeSlot(owner) : null;
    const queue = new Queue(slot, endpoint, tickets, events);
    if (slot) await restored(queue.#uppy, slot);
    queue.#goOn(events);
    return queue;
  }

  constructor(slot, endpoint, tickets, events) {
    this.#journal = slot && new Journal(slot);
    this.#tickets = tickets;
    this.#uppy = new Uppy({ id: slot ?? "wharf" });
    this.#uppy.use(Tus, {
      endpoint,
      limit: AT_ONCE,
      chunkSize: CHUNK_BYTES,
      retryDelays: RETRY_MS,
      allowedMetaFields: ["bucket", "prefix", "filename", "filetype"],
      // The queue stores the addresses of uploads itself.
      storeFingerprintForResuming: false,
      onBeforeRequest: (request, file) => this.#authorize(request, file),
      onAfterResponse: (request, answer) => this.#judge(request, answer),
      onShouldRetry: (error, attempt, _, next) => this.#isWorthIt(error, attempt, next),
    });
    if (slot) {
      const indexedDB = { maxFileSize: KEPT_FILE_BYTES, maxTotalSize: KEPT_BYTES };
      this.#uppy.use(GoldenRetriever, { indexedDB });
    }
    this.#uppy.on("files-added", (files) => {
      for (const file of files) {
        this.#journal?.forget(file.id);
        this.#addedAt.set(file.id, Date.now());
        events.added(file);
      }
    });
    this.#uppy.on("state-update", (before, after) => {
      if (before.files === after.files) return;
      for (const [id, file] of Object.entries(after.files)) {
        const old = before.files[id];
        if (!old || old === file) continue;
        this.#keep(old, file);
        events.changed(file);
      }
    });
    this.#uppy.on("upload-success", (file, answer) => this.#stored(file, answer, events));
    this.#uppy.on("upload-error", (file, error, answer) => this.#failed(file, error, answer, events));
  }

  /** Writes the changes that the next page needs to the journal immediately. */
  #keep(old, { id, isPaused, tus }) {
    if (Boolean(old.isPaused) !== Boolean(isPaused)) this.#journal?.note(id, { isPaused });
    if (old.tus?.uploadUrl !== tus?.uploadUrl) this.#journal?.note(id, { uploadUrl: tus?.uploadUrl });
  }

  /** Adds [file, path] pairs for a bucket; `target` in `place` is the prefix of all keys. */
  add(pairs, place) {
    for (const [file, path] of pairs) this.#backlog.push(described(file, path, place));
    this.#fill();
  }

  /** The number of files that are not in Uppy yet. */
  get backlog() {
    return this.#backlog.length;
  }

  #fill() {
    const before = new Set(this.#present());
    const free = AT_HAND - before.size;
    if (free < 1 || free < Math.min(this.#backlog.length, AT_HAND / 2)) return;
    this.#uppy.addFiles(this.#backlog.splice(0, free));
    for (const id of this.#present()) if (!before.has(id)) this.start(id);
  }

  /** Returns the ids of the files with available bytes. */
  #present() {
    return this.#uppy.getFiles().filter(({ isGhost }) => !isGhost).map(({ id }) => id);
  }

  /** Starts a file that does not run: a new file, a failed file or a restored file. */
  start(id) {
    const { error, isPaused } = this.#uppy.getFile(id);
    if (error || isPaused) this.#uppy.setFileState(id, { error: null, isPaused: false });
    this.#waiting.add(id);
    this.#next();
  }

  #next() {
    const going = [...this.#running].filter((id) => !this.#uppy.getFile(id)?.isPaused);
    let free = AT_ONCE - going.length;
    for (const id of this.#waiting) {
      if (free < 1) return;
      free -= 1;
      this.#waiting.delete(id);
      this.#running.add(id);
      // The event upload-error reports the error.
      this.#uppy.retryUpload(id).catch(() => {});
    }
  }

  #ended(id) {
    this.#waiting.delete(id);
    this.#running.delete(id);
    this.#next();
    this.#fill();
  }

  pause(id) {
    if (this.#waiting.delete(id)) this.#uppy.setFileState(id, { isPaused: true });
    else if (this.#running.has(id) && !this.#uppy.getFile(id).isPaused) this.#uppy.pauseResume(id);
    this.#next();
  }

  resume(id) {
    if (!this.#running.has(id)) this.start(id);
    else if (this.#uppy.getFile(id)?.isPaused) this.#uppy.pauseResume(id);
  }

  /** Removes a file from the queue, and ends its upload at the server. */
  cancel(id) {
    this.#journal?.note(id, { isOver: true });
    this.#addedAt.delete(id);
    if (this.#uppy.getFile(id)) this.#uppy.removeFile(id);
    this.#ended(id);
  }

  /** Removes all files that have not arrived. */
  cancelAll() {
    this.#backlog = [];
    this.#waiting.clear();
    for (const { id, progress } of this.#uppy.getFiles()) if (!progress.uploadComplete) this.cancel(id);
  }

  files() {
    return this.#uppy.getFiles();
  }

  /** Returns whether files would be lost if the person left the page now. */
  losesFiles() {
    if (this.#backlog.length > 0) return true;
    return this.#uppy
      .getFiles()
      .some((file) => !file.isGhost && !file.progress.uploadComplete && !this.#isKept(file));
  }

  /** Returns whether the browser has probably copied a file; no event reports the end of the copy. */
  #isKept({ id, size }) {
    if (!this.#journal || size > KEPT_FILE_BYTES) return false;
    const began = this.#addedAt.get(id);
    return began === undefined || Date.now() - began > KEEPING_MS + size / KEPT_BYTES_PER_MS;
  }

  #goOn(events) {
    // Remove the batches of the previous page, because each file begins a new batch.
    this.#uppy.setState({ currentUploads: {}, recoveredState: null });
    for (const { id, progress, tus } of this.#uppy.getFiles()) {
      const { isOver, isPaused, uploadUrl } = this.#journal?.of(id) ?? {};
      if (progress.uploadComplete || isOver) {
        this.#uppy.removeFile(id);
        continue;
      }
      if (isPaused !== undefined) this.#uppy.setFileState(id, { isPaused });
      if (uploadUrl) this.#uppy.setFileState(id, { tus: { ...tus, uploadUrl } });
      const file = this.#uppy.getFile(id);
      events.added(file);
      if (!file.isPaused && !file.isGhost) this.start(id);
    }
  }

  async #authorize(request, { id, meta }) {
    this.#refusals.delete(id);
    try {
      const ticket = await this.#tickets.of(meta, request.getMethod() === "POST");
      request.setHeader("Authorization", `Bearer ${ticket}`);
    } catch (error) {
      if (error instanceof Refusal) this.#refusals.set(id, error);
      throw error;
    }
  }

  /** Throws for a response after which tus-js-client would begin a new upload. */
  #judge(request, answer) {
    const status = answer.getStatus();
    if (request.getMethod() !== "HEAD" || status < 300 || GONE.includes(status)) return;
    throw new Error(`HEAD was answered with ${status}`);
  }

  #isWorthIt(error, attempt, next) {
    const answer = error.originalResponse;
    if (error.causingError instanceof Refusal) {
      return isPassing(error.causingError.status, "POST") && next(error);
    }
    if (!answer) return next(error);
    const status = answer.getStatus();
    const { slug } = Refusal.of(status, answer.getBody());
    if (TOKEN_REFUSALS.includes(slug) && attempt < 2) {
      const ticket = error.originalRequest.getHeader("Authorization")?.slice("Bearer ".length);
      return this.#tickets.forget(ticket) && next({});
    }
    return isPassing(status, error.originalRequest.getMethod()) && next(error);
  }

  #stored(file, answer, events) {
    this.#journal?.note(file.id, { isOver: true });
    this.#ended(file.id);
    const path = answer.body?.xhr.getResponseHeader("Content-Location") ?? "";
    const [, bucket, key] = path.match(/^\/v1\/files\/([^/]+)\/(.+)$/) ?? [];
    events.stored(file, bucket && { bucket, key: decodeURIComponent(key), path: `${bucket}/${key}` });
    // Remove the file after Uppy has processed the event.
    setTimeout(() => this.cancel(file.id));
  }

  #failed(file, error, answer, events) {
    this.#ended(file.id);
    const { status, body } = answer ?? {};
    const said = status ? Refusal.of(status, body.xhr.responseText) : this.#refusals.get(file.id);
    const isFinal = said !== undefined && !isPassing(said.status, "POST") && said.status !== 401;
    events.failed(file, { said, isFinal });
    if (isFinal) this.#journal?.note(file.id, { isOver: true });
    // Remove a refused file, so that a later page does not try it again.
    if (isFinal) setTimeout(() => this.cancel(file.id));
  }
}
