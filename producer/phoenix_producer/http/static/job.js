// One job: what it is at, its timeline, what its scripts say, what became of it.
import { ask } from './api.js';
import { cancelButton } from './actions.js';
import { facts, h, put, section } from './dom.js';
import { follow } from './events.js';
import { gantt } from './gantt.js';
import { fill, some, table } from './lists.js';
import { isEnd } from './timeline.js';
import { clock, ctLink, ctidOf, duration, jobLink, mark, now, since, waitWords } from './words.js';

const OPEN = new Set(['queued', 'running', 'waiting', 'cancelling', 'set-aside']);
const LINES = 2000; // of a history and of what scripts say: as many as the server keeps
const PARTS = 100;

export function job(id, me) {
  const events = [];
  const head = h('div.head', {});
  const failure = h('div', {});
  const result = h('div', {});
  const picture = gantt();
  const output = h('pre', { tabindex: '0', 'aria-label': 'Output of scripts' });
  const said = section('Script output', output);
  const steps = table('Steps that have ended', ['Step', 'CTID', 'From', 'Began', 'Took', 'Proxmox task'],
    (step) => `${step.name} ${step.ctid} ${step.started}`,
    (step) => [step.name, ctLink(step.ctid), step.source ? ctLink(step.source) : '', clock(step.started), duration(step.seconds),
      step.upid ? h('code', {}, step.upid) : '']);
  const history = h('ol.history', { tabindex: '0', 'aria-label': 'History' });
  said.hidden = true;
  let view = null;

  let drawing = 0;
  const unwritten = [];
  const redraw = () => {
    cancelAnimationFrame(drawing);
    drawing = requestAnimationFrame(() => {
      note(unwritten.splice(0));
      picture.draw(events, view && !OPEN.has(view.state) ? (view.ended ?? events.at(-1)?.at) : now());
    });
  };
  const note = (news) => {
    addTo(history, news.map((event) => h('li', {}, h('time', {}, clock(event.at)), ' ', told(event))));
    const lines = news.filter((event) => event.kind === 'output').map((event) => `${event.detail}\n`);
    if (!lines.length) return;
    said.hidden = false;
    addTo(output, lines);
  };
  const tell = (event) => {
    if (!goesOn(events.at(-1), event)) events.push(event);
    unwritten.push(event);
    redraw();
  };
  const ticking = setInterval(() => (view && OPEN.has(view.state) ? redraw() : undefined), 1000);

  return {
    title: `Job ${id.slice(0, 8)}`,
    element: h('div.job', {}, head, failure, section('Timeline', picture.element), said, result,
      section('Steps', steps.element), h('details', {}, h('summary', {}, 'History'), history)),
    every: 2000,
    isOfLooks: true,
    follow(signal, wake) {
      signal.addEventListener('abort', () => clearInterval(ticking));
      follow(`requests/${encodeURIComponent(id)}/events`, (event) => { tell(event); wake(); }, signal);
    },
    async refresh(signal) {
      if (view && !OPEN.has(view.state)) return;
      view = await ask(`requests/${encodeURIComponent(id)}`, { signal });
      fill(head, [view], (one) => one.id, (one) => drawHead(one, me));
      fill(failure, view.failure ? [view.failure] : [], () => 'failure', drawFailure);
      fill(result, view.result ? [view.result] : [], () => 'result', drawResult);
      steps.fill(view.steps);
      redraw();
    },
  };
}

function drawHead(view, me) {
  const ctid = ctidOf(view.what);
  const open = OPEN.has(view.state);
  return h('div', {},
    h('p.what', {}, h('strong', {}, view.what), ' ', mark(view.state),
      open && me?.role === 'operator' && view.state !== 'cancelling' ? [' ', cancelButton(view)] : ''),
    facts([
      ['CTID', ctid && ctLink(ctid)],
      ['Asked by', view.requester],
      ['Asked', view.created && clock(view.created)],
      [open ? 'For' : 'Took', view.created && (open ? since(view.created) : view.ended && duration(view.ended - view.created))],
      ['At', view.step],
      ['Waits for', open ? waitWords(view) : ''],
      ['Id', h('code', {}, view.id)],
    ]));
}

function drawFailure(failure) {
  return h('section.failure', {}, h('h2', {}, failure.cause === 'cancelled' ? 'Canceled' : `Failed: ${failure.cause}`),
    h('p', {}, failure.message), h('p.remedy', {}, h('strong', {}, 'What to do: '), failure.remedy), notes(failure, 'failure'));
}

function drawResult(result) {
  if (Array.isArray(result)) {
    return section('Result', some('result', result, PARTS, (one) => h('pre', { tabindex: '0' }, JSON.stringify(one, null, 2))));
  }
  const changes = table('Changed', ['Key', 'Before', 'Now'], (one) => one.key, (one) => [h('code.short', {}, one.key), one.old ?? '', one.new ?? '']);
  changes.fill(result.changes ?? []);
  return section('Result', facts([
    ['Outcome', result.outcome && mark(result.dry_run ? `would be ${result.outcome}` : result.outcome)],
    ['Cancel', result.verdict],
    ['Node', result.node],
    ['Made by', result.made_by && jobLink(result.made_by, result.made_by.slice(0, 8))],
    ['Addresses', result.addresses?.map((one) => `${one.interface} ${one.address}/${one.prefix}`).join(', ')],
    ['Templates built', result.templates_built?.join(', ')],
    ['At the next start', result.pending_restart?.join(', ')],
  ]), result.changes?.length ? changes.element : '', lines('Plan', result.plan ?? result.lines, 'result'), notes(result, 'result'));
}

/** What is said besides; `name` tells the lists of one answer from those of others. */
export function notes(answer, name) {
  return [lines('Warnings', answer.warnings, name), lines('Needs a rebuild', answer.needs_rebuild, name),
    lines('Not applied', answer.not_applied, name),
    Object.entries(answer.templates_not_applied ?? {}).map(([ctid, all]) => lines(`Not applied to template ${ctid}`, all, name))];
}

function lines(title, all, name) {
  const item = (one) => h('li', {}, one);
  return all?.length ? [h('h3', {}, title), h('ul', {}, some(`${title} of ${name}`, all, PARTS, item, item))] : '';
}

function told(event) {
  const step = isEnd(event) ? '' : `${event.step.replace('phoenix.', '')}${event.ctid == null ? '' : ` ${event.ctid}`}`;
  return [h('strong', {}, event.kind), ' ', step, event.detail ? ` · ${event.detail}` : '', event.upid ? [' ', h('code', {}, event.upid)] : ''];
}

/** Whether a line of output follows another of the same step: the timeline is the same without it. */
const goesOn = (last, event) => event.kind === 'output' && last?.kind === 'output' && last.step === event.step && last.ctid === event.ctid;

/** Add to a list that scrolls; who reads its end keeps seeing it. */
function addTo(list, news) {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 8;
  list.append(...news);
  while (list.childNodes.length > LINES) list.firstChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}
