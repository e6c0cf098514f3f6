// What the catalog declares beside what exists. Workers look at Proxmox for it, so it is asked for when something ended.
import { ask, ifThere } from './api.js';
import { rebuildButton } from './actions.js';
import { facts, h, put, section } from './dom.js';
import { notes } from './job.js';
import { fill, some, table } from './lists.js';
import { recent } from './recent.js';
import { clock, duration, isLook, jobLink, mark } from './words.js';

/** Milliseconds between two looks whether Redis is there. */
export const PULSE = 5000;
const KEYS = 12;

/** Ask only for what tells whether Redis is there. */
export const pulse = (signal) => ask('jobs?newest=1', { signal });

/** The state of what stands at a CTID, in one word. */
export const stateOf = (one) => (one.exists === 'container' ? (one.running ? 'runs' : 'stopped') : one.exists);

export const addressesOf = (one) => one.addresses.map((address) => `${address.address}/${address.prefix}`).join(', ');

/** The keys that are otherwise than declared, each in a box. */
export function differences(one) {
  return [some(`differences of ${one.ctid}`, one.differs, KEYS, (key) => [mark('differs'), ' ', h('code', {}, key), ' ']), one.elsewhere ? mark('elsewhere', one.elsewhere) : '',
    one.pending_restart.length ? h('span.quiet', {}, `at the next start: ${one.pending_restart.join(', ')}`) : '',
    one.outdated.length ? mark('outdated', one.outdated.join(' ')) : '', one.problem ? h('span.wrong', {}, one.problem) : ''];
}

/** What the workers warn of, whatever the CTID: each once. */
export const warnings = (standings) => some('warnings', [...new Set(standings.flatMap((one) => one.warnings))], KEYS, (line) => h('p.wrong', {}, line),
  (button) => h('p', {}, button));

export function containers() {
  const warned = h('div', {});
  const asOf = h('p.quiet', {}, 'The workers look at Proxmox…');
  const field = h('input', { id: 'filter', type: 'search', autocomplete: 'off', placeholder: 'CTID, name, node, address or key' });
  const only = h('input', { id: 'only', type: 'checkbox' });
  const all = table('Declared, and what there is', ['CTID', 'Name', 'Declared', 'Is', 'Node', 'Addresses', 'Differs'],
    (one) => one.ctid, (one) => [h('a', { href: `#/containers/${one.ctid}` }, one.ctid), one.name, one.state, mark(stateOf(one)), one.node,
      addressesOf(one), differences(one)]);
  let found = [];
  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = found.filter((one) => (!only.checked || isOff(one)) && words.every((word) => textOf(one).includes(word)));
    all.fill(wanted);
    all.element.hidden = wanted.length === 0;
    if (found.length) put(asOf, `${wanted.length} of ${found.length} containers, as of ${clock(found.at)}`);
  };
  field.addEventListener('input', show);
  only.addEventListener('change', show);
  return {
    title: 'Containers',
    element: h('div', {}, h('div.filter', {}, h('label', { for: 'filter' }, 'Show'), field,
      h('label', { for: 'only' }, only, ' only what is not as declared')), asOf, warned, all.element),
    every: PULSE,
    asksWorkers: true,
    async refresh(signal, news) {
      if (!news) { await pulse(signal); return null; }
      const { answer: standings, at, again } = await recent('status?wait=120', signal);
      found = Object.assign(standings.filter((one) => one.role === 'container'), { at });
      if (!found.length) put(asOf, 'The catalog declares no container.');
      put(warned, warnings(standings));
      show();
      return again;
    },
  };
}

const isOff = (one) => one.differs.length || one.outdated.length || one.problem || one.elsewhere || one.pending_restart.length
  || one.exists !== 'container' || (one.state === 'running') !== one.running;

const textOf = (one) => [one.ctid, one.name, one.node, stateOf(one), addressesOf(one), ...one.differs].join(' ').toLowerCase();

export function container(id, me) {
  const standing = h('div', {}, h('p.quiet', {}, 'The workers look at Proxmox…'));
  const drift = h('div', {});
  const past = table('Jobs of the last week', ['Job', 'How', 'When', 'Took', 'Asked by'], (job) => job.id,
    (job) => [jobLink(job.id, job.what), mark(job.outcome || job.state, job.cause), clock(job.created),
      job.ended ? duration(job.ended - job.created) : '', job.requester]);
  const none = h('p.quiet', {});
  const ctid = Number(id);
  return {
    title: `CT ${ctid}`,
    element: h('div', {}, standing, drift, section('History', past.element, none)),
    every: PULSE,
    asksWorkers: true,
    async refresh(signal, news) {
      if (!news) { await pulse(signal); return null; }
      const jobs = await ask(`jobs?all=true&ctid=${ctid}&newest=100`, { signal });
      const shown = jobs.filter((job) => !isLook(job.what)).reverse();
      past.fill(shown);
      past.element.hidden = shown.length === 0;
      put(none, shown.length ? '' : 'Nobody has asked for it in the last week.');
      const { answer: standings, again } = await recent(`status?ctid=${ctid}&wait=30`, signal);
      fill(standing, standings, (it) => it.ctid, (it) => drawStanding(it, me));
      const differs = await ifThere(recent(`drift?ctid=${ctid}&wait=30`, signal));
      fill(drift, differs?.answer ?? [], (it) => it.ctid, drawDrift);
      return again;
    },
  };
}

function drawStanding(one, me) {
  const isTemplate = one.role === 'template';
  return h('div', {}, h('p.what', {}, h('strong', {}, one.name), ' ', mark(stateOf(one)),
    isTemplate && me?.role === 'operator' && one.exists === 'template' ? [' ', rebuildButton(one.ctid)] : ''),
  facts([
    ['Role', one.role],
    ['Declared', isTemplate ? '' : one.state],
    ['Node', one.node],
    ['Elsewhere', one.elsewhere],
    ['Cloned from', one.source && h('a', { href: `#/containers/${one.source}` }, one.source)],
    ['Addresses', addressesOf(one)],
    ['Lock', one.lock],
    ['At the next start', one.pending_restart.join(', ')],
  ]), one.problem ? h('p.wrong', {}, one.problem) : '',
  one.outdated.length ? [h('h3', {}, 'Outdated'), h('ul', {}, some(`why ${one.ctid}`, one.outdated, KEYS, (line) => h('li', {}, line), (button) => h('li', {}, button)))] : '', notes(one, one.ctid));
}

function drawDrift(drift) {
  const keys = table('Key by key', ['Key', 'Is', 'Declared'], (one) => one.key,
    (one) => [h('code.short', {}, one.key), one.old ?? 'not set', one.new ?? 'not set']);
  const changed = drift.actions.filter((one) => one.key);
  keys.fill(changed);
  const others = drift.actions.filter((one) => !one.key).map((one) => [one.kind, one.source, one.detail].filter(Boolean).join(' '));
  const nothing = !drift.actions.length && !drift.needs_rebuild.length;
  return section('Difference', nothing ? h('p.quiet', {}, drift.problem || 'None: it is as the catalog declares.') : '',
    changed.length ? keys.element : '',
    others.length ? h('p', {}, `An ensure would also: ${others.join(', ')}.`) : '', notes({ needs_rebuild: drift.needs_rebuild }, `drift ${drift.ctid}`));
}
