// Server-sent events by fetch: EventSource cannot send a token. They go on after the last one, as it would.
import { send } from './api.js';

const SILENCE = 20_000; // milliseconds; the server says something every five seconds
const PAUSE = 2_000;

/** Call `tell` with each event of a stream, until it is over or the signal ends it, and `opened` whenever it listens again.
 *  A hidden page does not listen. */
export async function follow(path, tell, signal, opened = () => {}) {
  let last = null;
  while (!signal.aborted) {
    await visible(signal);
    const attempt = new AbortController();
    const stop = () => attempt.abort();
    const hide = () => document.hidden && stop();
    signal.addEventListener('abort', stop);
    document.addEventListener('visibilitychange', hide);
    try {
      const response = await send(path, { headers: last ? { 'Last-Event-ID': last } : {}, signal: attempt.signal });
      if (response.status === 204) return;
      opened();
      await read(response.body, stop, (event) => {
        last = event.id ?? last;
        if (event.data) tell(JSON.parse(event.data), event.id);
      });
    } catch (problem) {
      if (problem.status === 401 || problem.status === 404) return;
    } finally {
      signal.removeEventListener('abort', stop);
      document.removeEventListener('visibilitychange', hide);
    }
    await pause(PAUSE, signal);
  }
}

async function read(body, stop, tell) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  let silence = setTimeout(stop, SILENCE);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(stop, SILENCE);
      const blocks = (text + value).split('\n\n');
      text = blocks.pop();
      for (const block of blocks) tell(parse(block));
    }
  } finally {
    clearTimeout(silence);
  }
}

function parse(block) {
  const event = {};
  for (const line of block.split('\n')) {
    const colon = line.indexOf(': ');
    if (colon > 0) event[line.slice(0, colon)] = line.slice(colon + 2);
  }
  return event;
}

/** Wait for so many milliseconds, or until the signal. */
export const pause = (milliseconds, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, milliseconds);
  signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, { once: true });
});

/** Wait until somebody looks at the page, or until the signal. */
export const visible = (signal) => new Promise((resolve) => {
  if (!document.hidden || signal.aborted) { resolve(); return; }
  const look = () => {
    if (document.hidden && !signal.aborted) return;
    document.removeEventListener('visibilitychange', look);
    resolve();
  };
  document.addEventListener('visibilitychange', look);
  signal.addEventListener('abort', look, { once: true });
});
