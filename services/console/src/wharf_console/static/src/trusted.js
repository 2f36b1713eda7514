// The only module that turns text into HTML. The pages' CSP has `trusted-types wharf`.

const rules = { createHTML: (html) => html };
const policy = window.trustedTypes?.createPolicy("wharf", rules) ?? rules;

/**
 * Returns a page of this console as a document. Its scripts never run.
 *
 * Use it only for pages of this origin, because the text is not sanitized.
 */
export function parsePage(html) {
  return new DOMParser().parseFromString(policy.createHTML(html), "text/html");
}

/** Fetches a page of the console as a document; returns null for a redirect or another origin. */
export async function fetchPage(address, options = {}) {
  const target = new URL(address, location.href);
  if (target.origin !== location.origin) return null;
  const headers = { Accept: "text/html", "X-Requested-With": "fetch" };
  const answer = await fetch(target, { ...options, headers, credentials: "same-origin" });
  // A redirect leads to the login page, or to a page that the browser must show as a whole.
  const isPage = answer.headers.get("Content-Type")?.startsWith("text/html");
  return answer.ok && !answer.redirected && isPage ? parsePage(await answer.text()) : null;
}
