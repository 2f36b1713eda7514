// Texts and numbers in the page's language. The server translates the texts: data-word-….

/** Returns the language of the page, for Intl. */
export const language = () => document.documentElement.lang || "en";

/** Returns an element's `data-word-NAME` with its {places} filled in. */
export function word(element, name, places = {}) {
  const text = element.getAttribute(`data-word-${name}`) ?? "";
  return text.replace(/\{(\w+)\}/g, (all, place) => (place in places ? String(places[place]) : all));
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

/** Returns a number of bytes in a form for people: 1.5 MB. */
export function size(bytes) {
  let power = 0;
  while (power < UNITS.length - 1 && bytes >= 1000 ** (power + 1)) power += 1;
  const value = bytes / 1000 ** power;
  const maximumFractionDigits = power > 0 && value < 10 ? 1 : 0;
  const options = { style: "unit", unit: UNITS[power], unitDisplay: power ? "short" : "long" };
  return new Intl.NumberFormat(language(), { ...options, maximumFractionDigits }).format(value);
}

/** Returns a number in the format of the page's language. */
export const count = (number) => new Intl.NumberFormat(language()).format(number);

/** Returns a new element with these attributes and children. */
export function made(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
