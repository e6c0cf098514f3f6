// What the workers saw a moment ago: views that are opened one after the other share it, and nobody asks twice at once.
import { ask } from './api.js';
import { now } from './words.js';

const KEPT = 5000; // milliseconds
const seen = new Map();

/** Have the next view ask again: something has happened, or somebody else looks. */
export const forget = () => seen.clear();

/** Ask for what workers see; returns what they say, and when it came. Raises Problem. */
export function recent(path, signal) {
  if (!seen.has(path)) {
    const drop = () => { if (seen.get(path) === looking) seen.delete(path); };
    const looking = ask(path).then((answer) => {
      setTimeout(drop, KEPT);
      return { answer, at: now() };
    });
    looking.catch(drop);
    seen.set(path, looking);
  }
  return seen.get(path).finally(() => signal.throwIfAborted());
}
