// How times, states and waits are put into words.
import { h } from './dom.js';

let ahead = 0;

/** Learn from an answer of the server how much its clock is ahead of this one; `Date` has whole seconds. */
export function setClock(date) {
  const seconds = Date.parse(date ?? '') / 1000 - Date.now() / 1000;
  if (Number.isFinite(seconds)) ahead = Math.abs(seconds) > 2 ? seconds : 0;
}

export const now = () => Date.now() / 1000 + ahead;

/** `0.4 s`, `12 s`, `3 min 5 s`, `2 h 4 min`, `3 d 2 h`. */
export function duration(seconds) {
  const whole = Math.max(0, seconds);
  if (whole < 9.95) return `${whole.toFixed(1)} s`;
  const units = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]];
  const rounded = Math.round(whole);
  const first = units.findIndex(([, size]) => rounded >= size);
  const parts = units.slice(first, first + 2).map(([name, size], place) => {
    const above = place === 0 ? rounded : rounded % units[first][1];
    return [Math.floor(above / size), name];
  });
  return parts.filter(([count]) => count).map((part) => part.join(' ')).join(' ');
}

/** The time of day; with the date if it is another day than today. */
export function clock(at) {
  const then = new Date(at * 1000);
  const time = then.toLocaleTimeString('en-GB');
  if (then.toDateString() === new Date(now() * 1000).toDateString()) return time;
  const two = (number) => String(number).padStart(2, '0');
  return `${then.getFullYear()}-${two(then.getMonth() + 1)}-${two(then.getDate())} ${time}`;
}

/** An element that says for how long something is so, and goes on by itself. */
export function since(at) {
  return at == null ? '' : h('time', { 'data-since': at, title: `since ${clock(at)}` }, duration(now() - at));
}

setInterval(() => {
  for (const one of document.querySelectorAll('time[data-since]')) {
    one.textContent = duration(now() - Number(one.dataset.since));
  }
}, 1000);

const GOOD = new Set(['done', 'created', 'updated', 'unchanged', 'rebuilt', 'adopted', 'destroyed', 'runs', 'as declared']);
const BAD = new Set(['failed', 'not-ours', 'unknown', 'set-aside', 'cannot be used']);
const MIND = new Set(['waiting', 'outdated', 'differs', 'absent', 'half-made', 'cancelling', 'cancelled', 'drained']);

/** A word in a box whose color says whether it is good; the word says it too. */
export function mark(word, title) {
  const kind = GOOD.has(word) ? 'good' : BAD.has(word) ? 'bad' : MIND.has(word) ? 'mind' : 'plain';
  return h(`span.mark.${kind}`, { title }, word);
}

export const jobLink = (id, text) => h('a', { href: `#/jobs/${encodeURIComponent(id)}` }, text);
export const ctLink = (ctid, text = `${ctid}`) => h('a', { href: `#/containers/${Number(ctid)}` }, text);

const LOOKS = new Set(['status', 'drift', 'plan', 'plans', 'containers', 'templates', 'nodes']);
/** Whether a job only looks and changes nothing: this page asks for such things itself. */
export const isLook = (what) => LOOKS.has(what.replace('phoenix.', '').split(' ')[0]);

/** The CTID that a job is about; null if it is about none. */
export const ctidOf = (what) => (/ (\d+)$/.exec(what) ?? [null, null])[1];

/** What a lock is: `template 900` where others than its own job have to do with it. */
export function lockName(lock, others) {
  const [kind, name] = lock.split('/');
  if (kind === 'node') return `places on ${name}`;
  return kind === 'ct' ? `${others ? 'template' : 'CT'} ${name}` : lock;
}

const FEW = 3;

/** The first of some jobs, and how many more there are: the lanes of Now have all of them. */
function links(jobs, count = jobs.length) {
  const few = jobs.slice(0, FEW);
  return [few.map((one, place) => [place ? ', ' : '', jobLink(one.job, one.what || one.job.slice(0, 8))]),
    count > few.length ? [' and ', h('a', { href: '#/now' }, `${count - few.length} more`)] : ''];
}

/** What a job waits for, and behind whom. */
export function waitWords(job) {
  const wait = job.waits_for;
  if (!wait) return job.state === 'queued' ? 'a worker' : '';
  if (wait.kind === 'lock') {
    const others = wait.what !== `ct/${ctidOf(job.what)}`;
    return [`its turn at ${lockName(wait.what, others)}`, wait.owners.length ? [': ', links(wait.owners), ' has it'] : '',
      wait.before.length ? [', before it ', links(wait.before, wait.ahead)] : ''];
  }
  if (wait.kind === 'job') return [wait.detail || 'another job', wait.owners.length ? [': ', links(wait.owners)] : ''];
  const until = wait.until ? `, until ${clock(wait.until)}` : '';
  if (wait.kind === 'time') return `a moment${until}`;
  if (wait.kind === 'retry') return `another try${until}${wait.detail ? `: ${wait.detail}` : ''}`;
  return wait.detail || wait.what || wait.kind;
}
