// Elements are made here and nowhere else. What others have written is only ever text in them.

/** Make an element: `h('p.note', {title: 'x'}, 'text', other)`. An attribute `onclick` is a listener. */
export function h(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split('.');
  const made = document.createElement(name);
  if (classes.length) made.classList.add(...classes);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) made.setAttribute(key, value === true ? '' : String(value));
  }
  made.append(...shown(children));
  return made;
}

/** Put other children in the place of those that there are. */
export function put(parent, ...children) {
  parent.replaceChildren(...shown(children));
}

const shown = (children) => children.flat(Infinity).filter((one) => one != null && one !== false)
  .map((one) => (one instanceof Node ? one : String(one)));

const drawn = new WeakMap();

/** Show a list, item by item: what has not changed stays as it is, with focus and selection. */
export function fill(parent, items, keyOf, draw) {
  const before = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  const focus = focusIn(parent);
  const nodes = items.map((item) => {
    const key = String(keyOf(item));
    const text = JSON.stringify(item);
    const old = before.get(key);
    if (old && drawn.get(old) === text) return old;
    const node = draw(item);
    node.dataset.key = key;
    drawn.set(node, text);
    return node;
  });
  const stay = new Set(nodes);
  for (const node of [...parent.children]) if (!stay.has(node)) node.remove();
  let at = parent.firstElementChild;
  for (const node of nodes) {
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
  focus(nodes);
}

const focusable = (node) => [...node.querySelectorAll('a, button, input')];

/** Remember which link or button of a list has the focus; returns what gives it back to the one in its place. */
function focusIn(parent) {
  const active = document.activeElement;
  const item = [...parent.children].find((node) => node.contains(active));
  if (!item) return () => {};
  const place = focusable(item).indexOf(active);
  return (nodes) => {
    if (document.activeElement === active) return;
    const node = nodes.find((one) => one.dataset.key === item.dataset.key);
    if (node) focusable(node)[place]?.focus({ preventScroll: true });
  };
}

const MOST = 1000;

/** A table whose rows are cards where there is no room for columns. `draw` returns the cells of an item.
 *  So many rows at most: more would be slow to show, and nobody reads them. */
export function table(caption, columns, keyOf, draw) {
  const body = h('tbody', { role: 'rowgroup' });
  const more = h('span', {});
  const element = h('table', { role: 'table' },
    h('caption.quiet', {}, caption, more),
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' },
      columns.map((name) => h('th', { role: 'columnheader', scope: 'col' }, name)))),
    body);
  const row = (item) => h('tr', { role: 'row' }, draw(item).map((cell, place) => h('td', { role: 'cell' },
    h('span.label', { 'aria-hidden': 'true' }, columns[place]), h('div.value', {}, cell))));
  return {
    element,
    fill(items) {
      fill(body, items.slice(0, MOST), keyOf, row);
      put(more, items.length > MOST ? `: the first ${MOST} of ${items.length}` : '');
    },
  };
}

/** A part of a view, with its heading. */
export function section(title, ...children) {
  return h('section', {}, h('h2', {}, title), ...children);
}

/** Names and values, one beside the other; what has no value is left out. */
export function facts(pairs) {
  return h('dl', {}, pairs.filter(([, value]) => value && value.length !== 0)
    .map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
}
