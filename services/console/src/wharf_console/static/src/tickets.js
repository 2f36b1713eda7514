// Upload tickets: the only credential that a page has. They are kept in memory alone.

const RENEW_MS = 120_000;

/** What the server said instead of giving a ticket, or of taking a file. */
export class Refusal extends Error {
  constructor(status, { title, detail, type } = {}) {
    super([title, detail].filter(Boolean).join(": ") || `HTTP ${status}`);
    this.status = status;
    this.slug = (type ?? "").split("/").at(-1);
  }

  /** The refusal in an answer's text: a problem document, or nothing of the kind. */
  static of(status, text) {
    try {
      return new Refusal(status, JSON.parse(text));
    } catch {
      return new Refusal(status);
    }
  }
}

/** Tickets by bucket and prefix, each made when it is needed and made anew before it ends. */
export class Tickets {
  #address;
  #csrf;
  #fixed;
  #held = new Map();

  /** `fixed` is the ticket of a guest's page: there is no other one. */
  constructor({ address, csrf, fixed }) {
    this.#address = address;
    this.#csrf = csrf;
    this.#fixed = fixed;
  }

  /** The ticket for a request; `begins` says that the request begins an upload. */
  async of({ bucket, target }, begins) {
    if (this.#fixed) return this.#fixed;
    const name = `${bucket}/${target}`;
    let held = this.#held.get(name);
    if (!held || held.ends - Date.now() < RENEW_MS || (begins && held.left < 1)) {
      // The promise is kept at once: uploads that begin together share one ticket.
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

  /** Forgets a ticket that was refused; returns whether there may be another one. */
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
    // To the login page.
    if (answer.type === "opaqueredirect") throw new Refusal(401);
    if (!answer.ok) throw Refusal.of(answer.status, await answer.text());
    return answer.json();
  }
}
