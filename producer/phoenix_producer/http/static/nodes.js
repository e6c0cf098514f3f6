// Nodes: what room each has, what is placed and made on it. Workers look at Proxmox for it, so it is asked now and then.
import { ifThere } from './api.js';
import { drainButton } from './actions.js';
import { facts, h, put, section } from './dom.js';
import { fill, growing, some } from './lists.js';
import { recent } from './recent.js';
import { clock, ctLink, mark } from './words.js';

const OFTEN = 10_000; // milliseconds between looks while something happens
const SELDOM = 60_000;
const GIB = 2 ** 30;
const CARDS = 60;
const CTIDS = 24;

const gib = (bytes) => `${(bytes / GIB).toFixed(bytes < 10 * GIB ? 1 : 0)} GiB`;

export function nodes(me) {
  const list = h('ul.nodes', {});
  const trouble = h('p.quiet', {});
  const cards = growing(CARDS, (part) => fill(list, part, (node) => node.name, drawn));
  const element = section('Nodes', list, cards.element, trouble);
  element.hidden = true;
  let due = 0;
  let looking = false;
  const drawn = (node) => drawNode(node, me, () => { due = 0; });
  const look = async (signal) => {
    looking = true;
    try {
      const found = await ifThere(recent('nodes', signal));
      element.hidden = found === null;
      if (found === null) due = Infinity;
      cards.fill(found?.answer ?? []);
      put(trouble);
    } catch (problem) {
      if (!signal.aborted) put(trouble, problem.message);
    } finally {
      looking = false;
    }
  };
  return {
    element,
    /** Look again if it is time; nobody waits for it. */
    refresh(signal, news) {
      const time = performance.now(); // whatever becomes of the clock
      if (looking || time < due - (news ? SELDOM - OFTEN : 0)) return;
      due = time + SELDOM;
      look(signal);
    },
  };
}

const ctids = (name, all) => some(name, all, CTIDS, (ctid) => [ctLink(ctid), ' ']);

function drawNode(node, me, changed) {
  const drained = node.drained_at != null;
  return h('li.card', {}, h('h3', {}, node.name, ' ', mark(node.state), drained && node.state !== 'drained' ? [' ', mark('drained')] : ''),
    node.memory ? meter(node) : '',
    facts([
      ['Drained', drained && `by ${node.drained_by || 'nobody named'}, ${clock(node.drained_at)}`],
      ['Memory', node.memory && `${gib(node.memory_free)} of ${gib(node.memory)} free`],
      ['CPU', node.cpus && `${Math.round(100 * (node.cpu_used ?? 0))} % of ${node.cpus}`],
      ['Reserved', node.reserved.length && [ctids(`reserved on ${node.name}`, node.reserved), gib(node.reserved_memory)]],
      ['Being made', node.places && `${node.in_flight} of ${node.places}${node.waiting ? `, ${node.waiting} wait` : ''}`],
      ['Templates', ctids(`templates on ${node.name}`, node.templates)],
    ]),
    me?.role === 'operator' ? drainButton(node.name, drained, changed) : '');
}

function meter(node) {
  const used = node.memory - node.memory_free;
  return h('meter', { min: 0, max: node.memory, high: 0.9 * node.memory, value: used, 'aria-label': `memory of ${node.name} in use` });
}
