// Questions to the server that the page came from, whatever path a proxy offers it under.
import { setClock } from './words.js';

const BASE = new URL('../v1/', import.meta.url);
const KEPT = 'phoenix-lxc token';
const LATE = 20_000; // milliseconds, besides those that the server was asked to wait: one that is stopped never answers

/** Tells `unwelcome` when the server wants a token, or another one. */
export const door = new EventTarget();

/** Why the server has refused something, as its problem document says; status 0 if it did not answer at all. */
export class Problem extends Error {
  constructor(document) {
    super(document.detail);
    Object.assign(this, document);
  }
}

export const token = {
  get: () => sessionStorage.getItem(KEPT),
  set: (secret) => sessionStorage.setItem(KEPT, secret),
  forget: () => sessionStorage.removeItem(KEPT),
};

/** Send a request; returns the response if it is a success. Raises Problem. */
export async function send(path, { method = 'GET', body, headers = {}, signal } = {}) {
  const given = { ...headers };
  if (token.get()) given.Authorization = `Bearer ${token.get()}`;
  if (body) given['Content-Type'] = 'application/json';
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), LATE + 1000 * (/[?&]wait=(\d+)/.exec(path)?.[1] ?? 0));
  let response;
  try {
    response = await fetch(new URL(path, BASE), {
      method, headers: given, body: body && JSON.stringify(body), credentials: 'omit', cache: 'no-store',
      signal: AbortSignal.any([late.signal, ...(signal ? [signal] : [])]),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem({ status: 0, title: 'No answer', detail: 'The server does not answer.' });
  } finally {
    clearTimeout(timer);
  }
  setClock(response.headers.get('Date'));
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({ detail: `${response.status} ${response.statusText}` }));
  if (response.status === 401) door.dispatchEvent(new Event('unwelcome'));
  throw new Problem({ ...problem, status: response.status });
}

/** Ask for something; returns what the answer's JSON says. Raises Problem. */
export const ask = async (path, options) => (await send(path, options)).json();

/** What was asked for; null where the server has no such thing. */
export const ifThere = (asked) => asked.catch((problem) => {
  if (problem.status === 404) return null;
  throw problem;
});

/** Make the id of a request; `crypto.randomUUID` is not there without TLS. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((one) => one.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
