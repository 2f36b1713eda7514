// Uppy without its pages: a queue of files that goes up by tus, four at a time.

import Uppy from "@uppy/core";
import GoldenRetriever from "@uppy/golden-retriever";
import Tus from "@uppy/tus";

import { Journal } from "./journal.js";
import { restored, takeSlot } from "./slots.js";
import { Refusal } from "./tickets.js";

const MIB = 1024 * 1024;
const AT_ONCE = 4;
// Every change costs Uppy as much as all files that it has: more of them wait outside.
const AT_HAND = 100;
const CHUNK_BYTES = 8 * MIB;
const RETRY_MS = [500, 1000, 3000, 5000, 10_000, 20_000, 30_000];
// The browser copies what it keeps. Of larger files it keeps how far they are: they are chosen again.
const KEPT_FILE_BYTES = 256 * MIB;
const KEPT_BYTES = 1024 * MIB;
// How long the browser takes to copy a file, as far as one can guess.
const KEEPING_MS = 600;
const KEPT_BYTES_PER_MS = 100_000;
// Asked how far an upload is, the server may say that it is not there; all else is to be asked again.
const GONE = [404, 410, 423];
const TOKEN_REFUSALS = ["token-expired", "token-revoked", "ticket-used-up"];

/** Whether sending the same again may lead to something else. */
function isPassing(status, method) {
  if (status === 409) return method !== "POST"; // another offset; a creation's is final
  return status === 0 || status === 423 || status === 429 || (status >= 500 && status !== 507);
}

/** A path whose capitals survive the lower case of Uppy's ids: A.txt and a.txt are two files. */
const spelled = (path) => path.replace(/\p{Lu}/gu, "^$&");

/** A file as Uppy wants it. */
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
    // Part of Uppy's id: the same file may go to two places.
    relativePath: spelled(`${bucket}/${target}${path}`),
  },
});

/** The queue; tells what happens by the `events` added, changed, stored, failed. */
export class Queue {
  #journal;
  #tickets;
  #uppy;
  #backlog = [];
  #waiting = new Set();
  #running = new Set();
  #refusals = new Map();
  #addedAt = new Map();

  /** Makes a queue and brings back what it held before the page was loaded again. */
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
      // The queue itself knows where an upload is.
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

  /** Notes at once what the next page has to know of a change. */
  #keep(old, { id, isPaused, tus }) {
    if (Boolean(old.isPaused) !== Boolean(isPaused)) this.#journal?.note(id, { isPaused });
    if (old.tus?.uploadUrl !== tus?.uploadUrl) this.#journal?.note(id, { uploadUrl: tus?.uploadUrl });
  }

  /** Adds [file, path] pairs for a bucket; `target` is the prefix under which they all go. */
  add(pairs, place) {
    for (const [file, path] of pairs) this.#backlog.push(described(file, path, place));
    this.#fill();
  }

  /** How many files are not even in the list. */
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

  /** Ids of the files whose bytes are at hand. */
  #present() {
    return this.#uppy.getFiles().filter(({ isGhost }) => !isGhost).map(({ id }) => id);
  }

  /** Starts a file that does not run: a new one, a failed one, or one that was brought back. */
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
      // What goes wrong is told by upload-error.
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

  /** Takes a file out, and ends its upload at the server. */
  cancel(id) {
    this.#journal?.note(id, { isOver: true });
    this.#addedAt.delete(id);
    if (this.#uppy.getFile(id)) this.#uppy.removeFile(id);
    this.#ended(id);
  }

  /** Takes out all that has not arrived. */
  cancelAll() {
    this.#backlog = [];
    this.#waiting.clear();
    for (const { id, progress } of this.#uppy.getFiles()) if (!progress.uploadComplete) this.cancel(id);
  }

  files() {
    return this.#uppy.getFiles();
  }

  /** Whether leaving the page loses more than a moment. */
  losesFiles() {
    if (this.#backlog.length > 0) return true;
    return this.#uppy
      .getFiles()
      .some((file) => !file.isGhost && !file.progress.uploadComplete && !this.#isKept(file));
  }

  /** Whether the browser has a copy of a file by now; nobody is told when it is through. */
  #isKept({ id, size }) {
    if (!this.#journal || size > KEPT_FILE_BYTES) return false;
    const began = this.#addedAt.get(id);
    return began === undefined || Date.now() - began > KEEPING_MS + size / KEPT_BYTES_PER_MS;
  }

  #goOn(events) {
    // Batches of the page before; each file begins one of its own.
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

  /** Raises for an answer that tus-js-client would take as a sign to begin anew. */
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
    // After Uppy is through with the event.
    setTimeout(() => this.cancel(file.id));
  }

  #failed(file, error, answer, events) {
    this.#ended(file.id);
    const { status, body } = answer ?? {};
    const said = status ? Refusal.of(status, body.xhr.responseText) : this.#refusals.get(file.id);
    const isFinal = said !== undefined && !isPassing(said.status, "POST") && said.status !== 401;
    events.failed(file, { said, isFinal });
    if (isFinal) this.#journal?.note(file.id, { isOver: true });
    // A later page need not try again what was refused.
    if (isFinal) setTimeout(() => this.cancel(file.id));
  }
}
