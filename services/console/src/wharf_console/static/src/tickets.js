// Upload tickets, the only credentials that a page has for uploads. They are only in memory.

const RENEW_MS = 120_000;

/** The refusal of a ticket or of a file by the server. */
export class Refusal extends Error {
  constructor(status, { title, detail, type } = {}) {
    super([title, detail].filter(Boolean).join(": ") || `HTTP ${status}`);
    this.status = status;
    this.slug = (type ?? "").split("/").at(-1);
  }

  /** Returns the refusal in a response body, which may be a problem document. */
  static of(status, text) {
    try {
      return new Refusal(status, JSON.parse(text));
    } catch {
      return new Refusal(status);
    }
  }
}

/** Tickets by bucket and prefix; each is made when it is needed and replaced before it expires. */
export class Tickets {
  #address;
  #csrf;
  #fixed;
  #held = new Map();

  /** `fixed` is the ticket of a guest's page, which is used for all uploads. */
  constructor({ address, csrf, fixed }) {
    this.#address = address;
    this.#csrf = csrf;
    this.#fixed = fixed;
  }

  /** Returns the ticket for a request; `begins` means that the request creates an upload. */
  async of({ bucket, target }, begins) {
    if (this.#fixed) return this.#fixed;
    const name = `${bucket}/${target}`;
    let held = this.#held.get(name);
    if (!held || held.ends - Date.now() < RENEW_MS || (begins && held.left < 1)) {
      // Store the promise immediately, so that uploads that begin at the same time share one ticket.
      held = { promise: this.#made(bucket, target), ends: Infinity, left: Infinity, begun: 0 };
      this.#held.set(name, held);
      held.promise.then(
        ({ ticket, expires_in, max_files }) => {
          held.ticket = ticket;
          held.ends = Date.now() + expires_in * 1000;
          held.left = (max_files ?? Infinity) - held.begun;
        },
        () => this.#held.delete(name),
      );
    }
    if (begins) {
      held.left -= 1;
      held.begun += 1;
    }
    return (await held.promise).ticket;
  }

  /** Forgets a refused ticket; returns whether another ticket can be made. */
  forget(ticket) {
    for (const [name, held] of this.#held) if (held.ticket === ticket) this.#held.delete(name);
    return !this.#fixed;
  }

  async #made(bucket, prefix) {
    const answer = await fetch(this.#address, {
      method: "POST",
      headers: { Accept: "application/json", "X-CSRFToken": this.#csrf },
      body: new URLSearchParams({ bucket, prefix }),
      credentials: "same-origin",
      redirect: "manual",
    });
    // The redirect leads to the login page.
    if (answer.type === "opaqueredirect") throw new Refusal(401);
    if (!answer.ok) throw Refusal.of(answer.status, await answer.text());
    return answer.json();
  }
}
