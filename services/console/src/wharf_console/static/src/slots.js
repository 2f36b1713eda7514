// The storage slot of a tab's queue, so that a reload continues the queue and a second tab does not.

const SLOTS = 8;
const RELOAD_MS = 2000;
const EVENT_MS = 10_000;

/** Takes a lock until the page is closed; returns whether it was taken. */
function locked(name, options) {
  return new Promise((resolve) => {
    const held = (lock) => {
      resolve(lock !== null);
      return lock && new Promise(() => {});
    };
    navigator.locks.request(name, options, held).catch(() => resolve(false));
  });
}

/**
 * Returns the name of the queue of this tab, or null if the browser cannot store a queue.
 *
 * `owner` identifies the person: another person in the same browser has another queue.
 */
export async function takeSlot(owner) {
  if (!navigator.locks || !window.indexedDB) return null;
  const key = `wharf-slot-${owner}`;
  const mine = sessionStorage.getItem(key);
  const name = (slot) => `wharf-${owner}-${slot}`;
  // The previous page may still have the lock for a moment.
  if (mine && (await locked(name(mine), { signal: AbortSignal.timeout(RELOAD_MS) }))) return name(mine);
  for (let slot = 1; slot <= SLOTS; slot += 1) {
    if (await locked(name(slot), { ifAvailable: true })) {
      sessionStorage.setItem(key, String(slot));
      return name(slot);
    }
  }
  return null;
}

const answered = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** Returns whether Golden Retriever will restore a queue; without a queue it sends no event. */
async function isKept(slot) {
  // The plugin has opened the database before, so it has the plugin's version.
  const database = await answered(indexedDB.open("uppy-blobs"));
  try {
    const found = database.transaction(["metadata"]).objectStore("metadata").get(slot);
    const record = await answered(found);
    return Boolean(record && record.expires > Date.now());
  } finally {
    database.close();
  }
}

/** Waits until the queue is restored, if it exists. Files that are added earlier would be lost. */
export async function restored(uppy, slot) {
  const back = new Promise((resolve) => {
    uppy.once("restored", resolve);
    setTimeout(resolve, EVENT_MS);
  });
  if (await isKept(slot).catch(() => false)) await back;
}
