// The timeline of a job as bars: in a picture for those who see it, in words for all.
import { h, put } from './dom.js';
import { KINDS, rows, totals } from './timeline.js';
import { duration } from './words.js';

const STEPS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400];
const TICKS = 6;

export function gantt() {
  const legend = h('ul.legend', {});
  const picture = h('div.gantt', { role: 'list', 'aria-label': 'Timeline, step by step' });
  return {
    element: h('div', {}, legend, picture),
    draw(events, until) {
      if (!events.length) return;
      const all = rows(events, until);
      const begin = events[0].at;
      const length = Math.max(...all.flatMap(({ stretches }) => stretches.map((one) => one.end)), begin + 0.1) - begin;
      put(legend, totals(all).map(([kind, seconds]) => h('li', {}, h(`span.key.${kind}`, { 'aria-hidden': 'true' }),
        `${KINDS[kind]}: ${duration(seconds)}`)));
      put(picture, all.map((row) => drawRow(row, begin, length)), scale(length));
    },
  };
}

function drawRow({ name, stretches }, begin, length) {
  const words = totals([{ stretches }]).map(([kind, seconds]) => `${KINDS[kind]} ${duration(seconds)}`).join(', ');
  const bars = stretches.map((one) => {
    const bar = h(`span.piece.${one.kind}`, { title: `${name}: ${KINDS[one.kind]}, ${duration(one.end - one.begin)}` });
    bar.style.left = `${(100 * (one.begin - begin)) / length}%`;
    bar.style.width = `${(100 * (one.end - one.begin)) / length}%`;
    return bar;
  });
  return h('div.row', { role: 'listitem' }, h('span.name', {}, name), h('span.hidden', {}, `: ${words}`),
    h('span.track', { 'aria-hidden': 'true' }, bars));
}

function scale(length) {
  const step = STEPS.find((one) => length / one <= TICKS) ?? length;
  const marks = Array.from({ length: Math.floor(length / step) + 1 }, (_, place) => {
    const tick = h('span.tick', {}, place ? duration(place * step) : '0');
    tick.style.left = `${(100 * place * step) / length}%`;
    return tick;
  });
  return h('div.row.scale', { 'aria-hidden': 'true' }, h('span.name', {}), h('span.track', {}, marks));
}
