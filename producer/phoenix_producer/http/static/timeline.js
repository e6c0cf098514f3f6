// The history of a job as stretches of time. A job does one thing at a time: each event says what it does until the next.

/** What a stretch of time is, in the order of the legend. */
export const KINDS = {
  worker: 'a worker was waited for',
  lane: 'its turn was waited for',
  job: 'another job was waited for',
  proxmox: 'Proxmox worked',
  script: 'a script ran',
  retry: 'it was tried again later',
  ours: 'phoenix-lxc worked',
};

const SCRIPTED = new Set(['phoenix.provision', 'phoenix.verify']);
const ENDS = new Set(['done', 'failed', 'cancelled']);

/** What a job does after an event. */
export function kindOf(event) {
  if (event.kind === 'requested' || event.kind === 'step-done') return 'worker';
  if (event.kind === 'remote-task') return 'proxmox';
  if (event.kind === 'output') return 'script';
  if (event.kind === 'retrying') return 'retry';
  if (event.kind !== 'waiting') return 'ours';
  const detail = event.detail ?? '';
  if (/^(ct|node)\//.test(detail)) return 'lane';
  if (detail.startsWith('Proxmox: ') || event.upid) return 'proxmox';
  if (SCRIPTED.has(event.step) || detail === 'sleep') return SCRIPTED.has(event.step) ? 'script' : 'ours';
  return detail.startsWith('an address') ? 'proxmox' : 'job';
}

export const isEnd = (event) => ENDS.has(event.kind);

const rowOf = (event) => `${event.step.replace('phoenix.', '')}${event.ctid == null ? '' : ` ${event.ctid}`}`;

/** Cut a history into rows, one for each step and CTID, each with the stretches of time in which the job was at it. */
export function rows(events, until) {
  const found = new Map();
  events.forEach((event, place) => {
    if (isEnd(event)) return;
    const next = events[place + 1];
    const kind = kindOf(event);
    const end = next?.at ?? Math.max(until, event.at);
    const at = kind === 'worker' && next && !isEnd(next) ? next : event;
    const name = rowOf(at);
    const stretches = found.get(name) ?? found.set(name, []).get(name);
    const last = stretches.at(-1);
    if (last?.kind === kind && last.end === event.at) last.end = end;
    else stretches.push({ kind, begin: event.at, end });
  });
  return [...found].map(([name, stretches]) => ({ name, stretches }));
}

/** How long a job was at each kind of thing, longest first. */
export function totals(all) {
  const sums = new Map();
  for (const { stretches } of all) {
    for (const { kind, begin, end } of stretches) sums.set(kind, (sums.get(kind) ?? 0) + end - begin);
  }
  return [...sums].sort((one, other) => other[1] - one[1]);
}
