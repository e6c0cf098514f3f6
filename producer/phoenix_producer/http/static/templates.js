// Templates as a tree: each below the one that it is cloned from, with what has been cloned from it.
import { rebuildButton } from './actions.js';
import { PULSE, pulse, stateOf, warnings } from './containers.js';
import { h, put } from './dom.js';
import { fill, growing, some } from './lists.js';
import { recent } from './recent.js';
import { clock, ctLink, mark } from './words.js';

const TREES = 100;
const CLONES = 60;
const LINES = 20;
const item = (...children) => h('li', {}, ...children);

export function templates(me) {
  const asOf = h('p.quiet', {}, 'The workers look at Proxmox…');
  const warned = h('div', {});
  const tree = h('ul.tree', {});
  const trees = growing(TREES, (part) => fill(tree, part, (one) => one.ctid, (one) => drawTemplate(one, me)));
  return {
    title: 'Templates',
    element: h('div', {}, asOf, warned, tree, trees.element),
    every: PULSE,
    asksWorkers: true,
    async refresh(signal, news) {
      if (!news) { await pulse(signal); return null; }
      const lanes = recent('templates?wait=120', signal).catch(() => ({ answer: [] }));
      const { answer: all, at, again } = await recent('status?wait=120', signal);
      const roots = grown(all, (await lanes).answer);
      trees.fill(roots);
      put(warned, warnings(all));
      put(asOf, roots.length ? `As of ${clock(at)}` : 'The catalog declares no template.');
      return again;
    },
  };
}

/** Put each template below its own; containers are counted where they are cloned from. */
export function grown(all, lanes = []) {
  const known = new Map(lanes.map((one) => [one.ctid, one]));
  const made = new Map(all.filter((one) => one.role === 'template').map((one) => [one.ctid, { ...one, below: [], clones: [],
    copies: known.get(one.ctid)?.copies ?? [], disk: diskOf(known.get(one.ctid) ?? {}) }]));
  for (const one of all.filter((other) => other.role !== 'template')) {
    made.get(one.source)?.clones.push({ ctid: one.ctid, name: one.name, exists: one.exists, outdated: one.outdated });
  }
  for (const one of made.values()) made.get(one.source)?.below.push(one);
  return [...made.values()].filter((one) => !made.has(one.source));
}

function drawTemplate(one, me) {
  const there = one.clones.filter((clone) => clone.exists !== 'absent');
  return h('li', {}, h('article.card', {},
    h('h2', {}, ctLink(one.ctid), ' ', one.name, ' ', mark(stateOf(one)), one.outdated.length ? [' ', mark('outdated')] : ''),
    h('p.quiet', {}, `on ${one.node}${one.disk}`, one.source ? [', cloned from ', ctLink(one.source)] : ''),
    one.problem ? h('p.wrong', {}, one.problem) : '',
    one.outdated.length ? h('ul', {}, some(`why ${one.ctid}`, one.outdated, LINES, item, item)) : '',
    one.clones.length ? h('details', { open: one.clones.length <= 12 }, h('summary', {}, `${there.length} of ${one.clones.length} clones made`),
      h('ul.clones', {}, some(`clones of ${one.ctid}`, one.clones, CLONES, drawClone, item))) : '',
    drawCopies(one),
    me?.role === 'operator' && one.exists === 'template' ? rebuildButton(one.ctid) : ''),
  one.below.length ? h('ul.tree', {}, some(`below ${one.ctid}`, one.below, TREES, (below) => drawTemplate(below, me), item)) : '');
}

function drawClone(clone) {
  return h(`li${clone.exists === 'absent' ? '.absent' : ''}`, {}, ctLink(clone.ctid), ' ', clone.name,
    clone.exists === 'absent' ? ' (not made)' : '', clone.outdated.length ? [' ', mark('outdated', clone.outdated.join(' '))] : '');
}

/** Where its root disk is, and how large each disk is. */
function diskOf({ storage, disks }) {
  const sizes = Object.values(disks ?? {});
  return `${storage ? `, ${storage}` : ''}${sizes.length ? `, ${sizes.join(' + ')} GiB` : ''}`;
}

function drawCopies({ ctid, copies }) {
  return copies.length ? h('ul.clones', {}, some(`copies of ${ctid}`, copies, CLONES, (copy) => h('li', {}, `copy ${copy.ctid} on ${copy.node}`,
    diskOf(copy), copy.hash ? `, hash ${copy.hash}` : '', copy.waiting ? `, ${copy.waiting} waiting` : '',
    copy.outdated.length ? [' ', mark('outdated', copy.outdated.join(' '))] : ''), item)) : '';
}
