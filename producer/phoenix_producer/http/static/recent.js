// What the workers see: the server gives all who look what it has had from them a moment ago, unless something has ended since.
import { send } from './api.js';
import { now } from './words.js';

const SECONDS = 5;

/** Ask for what workers see; returns what they say, and since when. What others were given before is to be asked for
 *  `again` in so many seconds: what has changed since, by nobody's request, is not in it. Raises Problem. */
export async function recent(path, signal) {
  const response = await send(path, { headers: { 'Cache-Control': `max-age=${SECONDS}` }, signal });
  const age = Number(response.headers.get('Age'));
  return { answer: await response.json(), at: now() - age, again: age ? Math.max(SECONDS - age, 1) : null };
}
