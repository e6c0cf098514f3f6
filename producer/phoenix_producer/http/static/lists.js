// Lists that may be long: what has not changed is left as it is, and of what is too much a part is shown, and the rest on request.
import { h, put, shown } from './dom.js';

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

/** Hand a list on in part, the first `most` of it, and as many more whenever its button is pressed. */
export function growing(most, fillWith) {
  let limit = most;
  let all = [];
  const draw = () => {
    fillWith(all.slice(0, limit));
    element.hidden = all.length <= limit;
    put(button, element.hidden ? '' : rest(all.length - limit));
  };
  const button = h('button', { onclick: () => { limit += most; draw(); } });
  const element = h('p.rest', { hidden: true }, button);
  return { element, fill: (items) => { all = items; draw(); } };
}

const rest = (count) => `… and ${count} more`;
const wanted = new Map(); // how much of which list its reader has asked for, whenever it is drawn again

/** Draw the first `most` of some items, and a button that has as many more drawn; `hold` puts it into what a list consists of. */
export function some(name, items, most, draw, hold = (button) => button) {
  const part = (from, to) => {
    const nodes = shown(items.slice(from, to).map(draw));
    if (items.length <= to) return nodes;
    const button = h('button.rest', { onclick: () => {
      wanted.set(name, to + most);
      const more = shown(part(to, to + most));
      held.replaceWith(...more);
      more.flatMap((node) => (node instanceof Element ? [node, ...node.querySelectorAll('*')] : []))
        .find((node) => node.matches('a, button'))?.focus();
    } }, rest(items.length - to));
    const held = hold(button);
    return [...nodes, held];
  };
  return part(0, wanted.get(name) ?? most);
}

const MOST = 1000;

/** A table whose rows are cards where there is no room for columns. `draw` returns the cells of an item. */
export function table(caption, columns, keyOf, draw) {
  const body = h('tbody', { role: 'rowgroup' });
  const row = (item) => h('tr', { role: 'row' }, draw(item).map((cell, place) => h('td', { role: 'cell' },
    h('span.label', { 'aria-hidden': 'true' }, columns[place]), h('div.value', {}, cell))));
  const list = growing(MOST, (items) => fill(body, items, keyOf, row));
  const element = h('div', {}, h('table', { role: 'table' },
    h('caption.quiet', {}, caption),
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' },
      columns.map((name) => h('th', { role: 'columnheader', scope: 'col' }, name)))),
    body), list.element);
  return { element, fill: list.fill };
}
