// The one place where text becomes HTML. The pages' CSP has `trusted-types wharf`.

const rules = { createHTML: (html) => html };
const policy = window.trustedTypes?.createPolicy("wharf", rules) ?? rules;

/**
 * Returns a page of this console as a document. Its scripts never run.
 *
 * Pages of this origin alone: the text is not cleaned.
 */
export function parsePage(html) {
  return new DOMParser().parseFromString(policy.createHTML(html), "text/html");
}

/** Returns the document behind an address of the console, or null when it leads elsewhere. */
export async function fetchPage(address, options = {}) {
  const target = new URL(address, location.href);
  if (target.origin !== location.origin) return null;
  const headers = { Accept: "text/html", "X-Requested-With": "fetch" };
  const answer = await fetch(target, { ...options, headers, credentials: "same-origin" });
  // A redirect is the login page, or a page that wants to be seen as a whole.
  const isPage = answer.headers.get("Content-Type")?.startsWith("text/html");
  return answer.ok && !answer.redirected && isPage ? parsePage(await answer.text()) : null;
}
