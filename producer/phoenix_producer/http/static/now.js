// What runs and what waits, for what, since when and behind whom; the lanes; the nodes; what has ended lately.
import { ask } from './api.js';
import { h, put, section } from './dom.js';
import { fill, growing, some, table } from './lists.js';
import { nodes } from './nodes.js';
import { clock, ctidOf, duration, isLook, jobLink, lockName, mark, since, waitWords } from './words.js';

const LATELY = 20;
const LANES = 50;
const QUEUE = 30;

export function now(me) {
  const count = h('p.count', {});
  const running = table('Jobs that have not ended', ['Job', 'State', 'At', 'For', 'Waits for', 'Asked by'],
    (job) => job.id, (job) => [jobLink(job.id, job.what), mark(job.state), job.step, since(job.since ?? job.created),
      waitWords(job), job.requester]);
  const lanes = h('ul.lanes', {});
  const crowds = growing(LANES, (part) => fill(lanes, part, (lock) => lock.name, drawLane));
  const noLane = h('p.quiet', {});
  const ended = table(`The last ${LATELY} that ended`, ['Job', 'How', 'When', 'Took', 'Asked by'], (job) => job.id,
    (job) => [jobLink(job.id, job.what), mark(job.outcome || job.state, job.cause), clock(job.ended),
      duration(job.ended - job.created), job.requester]);
  const room = nodes(me);
  const element = h('div.now', {},
    section('Jobs', count, running.element),
    section('Lanes', h('p.quiet', {}, 'Proxmox makes one clone of a template at a time. First come, first served.'), lanes, crowds.element, noLane),
    room.element,
    section('Ended', ended.element));

  return {
    title: 'Now',
    element,
    every: 2000,
    async refresh(signal, news) {
      const [jobs, locks] = await Promise.all([ask('jobs', { signal }), ask('locks', { signal })]);
      const shown = jobs.filter((job) => !isLook(job.what));
      put(count, summary(shown));
      running.element.hidden = shown.length === 0;
      running.fill(shown);
      const crowded = locks.filter(isLane);
      crowds.fill(crowded);
      put(noLane, crowded.length ? '' : 'Nobody waits for another.');
      room.refresh(signal, news);
      if (!news) return;
      const all = await ask(`jobs?all=true&newest=${10 * LATELY}`, { signal });
      const over = all.filter((job) => job.ended && !isLook(job.what));
      ended.fill(over.sort((one, other) => other.ended - one.ended).slice(0, LATELY));
    },
  };
}

function summary(jobs) {
  if (!jobs.length) return 'Nothing runs, nothing waits.';
  const counts = Map.groupBy(jobs, (job) => job.state);
  return [...counts].map(([state, some]) => `${some.length} ${state}`).join(', ');
}

/** A container that only its own job is at is no lane: nobody else has to do with it. */
function isLane(lock) {
  return lock.queue.length > 0 || !lock.name.startsWith('ct/') || lock.owners.some((one) => `ct/${ctidOf(one.what)}` !== lock.name);
}

function drawLane(lock) {
  const others = [...lock.owners, ...lock.queue].some((one) => `ct/${ctidOf(one.what)}` !== lock.name);
  const one = (kind, words) => (job) => h(`li.${kind}`, {}, h('span.hidden', {}, words), jobLink(job.job, job.what || job.job.slice(0, 8)));
  const places = lock.capacity > 1 ? ` (${lock.owners.length} of ${lock.capacity})` : '';
  return h('li.lane', {}, h('h3', {}, lockName(lock.name, others), places), h('ol', {},
    some(`owners of ${lock.name}`, lock.owners, QUEUE, one('owner', 'has it: '), (button) => h('li', {}, button)),
    some(`queue of ${lock.name}`, lock.queue, QUEUE, one('waiter', 'waits: '), (button) => h('li', {}, button))));
}
