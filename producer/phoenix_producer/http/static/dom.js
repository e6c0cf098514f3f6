// Elements are made here and nowhere else. What others have written is only ever text in them.

/** Make an element: `h('p.note', {title: 'x'}, 'text', other)`. An attribute `onclick` is a listener. */
export function h(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split('.');
  const made = document.createElement(name);
  if (classes.length) made.classList.add(...classes);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) made.setAttribute(key, value === true ? '' : harmless(value));
  }
  made.append(...shown(children));
  return made;
}

/** Put other children in the place of those that there are. */
export function put(parent, ...children) {
  parent.replaceChildren(...shown(children));
}

/** What is put into an element: elements, and whatever else as text. */
export const shown = (children) => children.flat(Infinity).filter((one) => one != null && one !== false)
  .map((one) => (one instanceof Node ? one : harmless(one)));

// As in plain_text.py: control characters but newline and tab, marks that turn text round, and what shows nothing.
const HARMFUL = new RegExp('[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180e\\u200b'
  + '\\u200e\\u200f\\u202a-\\u202e\\u2060-\\u206f\\u3164\\ud800-\\udfff\\ufeff\\uffa0\\ufff0-\\ufffb\\u{1bca0}-\\u{1bca3}'
  + '\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e00ff}\\u{e01f0}-\\u{e0fff}]', 'gu');
const harmless = (text) => String(text).replace(HARMFUL, '\ufffd');

/** A part of a view, with its heading. */
export function section(title, ...children) {
  return h('section', {}, h('h2', {}, title), ...children);
}

/** Names and values, one beside the other; what has no value is left out. */
export function facts(pairs) {
  return h('dl', {}, pairs.filter(([, value]) => value && value.length !== 0)
    .map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
}
