// Which view is shown, and who looks at it. A view has a title, an element, and `refresh`, which is called again and again;
// what it returns is in how many seconds it wants to ask again, if what it was told was not new.
import { ask, door, token } from './api.js';
import { closeQuestions } from './actions.js';
import { h, put } from './dom.js';
import { follow, pause, visible } from './events.js';
import { isLook } from './words.js';
import { PULSE, container, containers, pulse } from './containers.js';
import { job } from './job.js';
import { now } from './now.js';
import { templates } from './templates.js';

const AGAIN = 2000; // milliseconds until what failed is tried again
const HOPELESS = 20_000; // or what is refused as it was asked
const REFUSED = new Set([400, 403, 404, 409]);
const LONGEST = 60_000;
const GATHER = 250; // and in which what happens at once is looked at once
const REST = 500; // between two looks, however much happens

const VIEWS = [['now', 'Now', now], ['templates', 'Templates', templates], ['containers', 'Containers', containers]];
const ONES = { containers: container, jobs: job };

const $ = (id) => document.getElementById(id);
let current = { stop: () => {}, wake: () => {} };
let me = null;

/** Show what the address says. */
function route(moved) {
  closeQuestions();
  const [name, id] = location.hash.replace(/^#\//, '').split('/').map(plain);
  const [, , list] = VIEWS.find(([one]) => one === name) ?? VIEWS[0];
  const view = id && ONES[name] ? ONES[name](id, me) : list(me);
  for (const link of document.querySelectorAll('#views a')) {
    const here = link.getAttribute('href') === `#/${name || 'now'}`;
    if (here) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = `${view.title} · phoenix-lxc`;
  const title = h('h1', { tabindex: '-1' }, view.title);
  put($('main'), title, view.element);
  if (moved) {
    say('');
    scrollTo(0, 0);
    title.focus();
  }
  current.stop();
  current = run(view);
}

/** Read a part of the address, which may be anything. */
function plain(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Refresh a view for as long as it is shown: as often as it says, and when something happens. */
function run(view) {
  const ended = new AbortController();
  const { signal } = ended;
  let wake = () => {};
  let waking = 0;
  let due = false; // something has happened since it was asked
  let news = true; // something that changes what the view shows besides
  const soon = () => {
    due = true;
    waking ||= setTimeout(() => { waking = 0; wake(); }, GATHER);
  };
  (async () => {
    while (!signal.aborted) {
      await visible(signal);
      let rest = view.every;
      let settle = 0;
      const began = performance.now();
      const all = news;
      try {
        [news, due] = [false, false];
        const again = await (view.asksWorkers ? whileThere((either) => view.refresh(either, all), signal) : view.refresh(signal, all));
        if (again) setTimeout(() => { news = true; wake(); }, again * 1000);
        settle = Math.min(LONGEST, 2 * (performance.now() - began));
        say('');
      } catch (problem) {
        if (signal.aborted) return;
        news = true;
        rest = REFUSED.has(problem.status) ? HOPELESS : AGAIN;
        say(trouble(problem));
      }
      view.element.dataset.shown = 'yes';
      const least = Math.max(REST, settle); // what takes long is not asked for at once again
      await pause(least, signal);
      if (settle && (news || due)) continue;
      await Promise.race([pause(Math.max(0, rest - least), signal), new Promise((resolve) => { wake = resolve; })]);
    }
  })();
  view.follow?.(signal, soon);
  return {
    stop: () => ended.abort(),
    wake: (event) => {
      if (isLook(event.request ?? '') && !view.isOfLooks) return;
      if (event.kind === 'requested' && view.asksWorkers) return; // nothing has changed yet
      news = true;
      soon();
    },
  };
}

/** Wait for what workers see, for as long as Redis is there: without it they cannot answer. */
async function whileThere(refresh, signal) {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const beat = async () => {
    for (;;) {
      await pause(PULSE, either);
      either.throwIfAborted();
      await pulse(either);
      say('');
    }
  };
  const beating = beat();
  beating.catch(() => {}); // told below, or too late to be
  try {
    return await Promise.race([refresh(either), beating]);
  } finally {
    over.abort();
  }
}

function trouble(problem) {
  if (problem.status === 0) return 'The server does not answer. What is shown may be old; this page asks again by itself.';
  if (problem.status === 503) return `${problem.message} What is shown may be old; this page asks again by itself.`;
  if (problem.status === undefined) console.error(problem);
  return problem.remedy ? `${problem.message} ${problem.remedy}` : problem.message;
}

function say(text) {
  if ($('banner').textContent !== text) $('banner').textContent = text;
}

/** Ask for a token; what it is good for, the server says. */
function welcome(refused) {
  closeQuestions();
  current.stop();
  say('');
  const field = h('input', { id: 'token', type: 'password', autocomplete: 'off', required: true, spellcheck: 'false' });
  const enter = (event) => {
    event.preventDefault();
    token.set(field.value.trim());
    begin(true);
  };
  document.title = 'Token · phoenix-lxc';
  put($('views'));
  put($('who'));
  put($('main'), h('h1', {}, 'Who is there?'), h('form.door', { onsubmit: enter },
    refused && h('p.wrong', { role: 'alert' }, refused),
    h('label', { for: 'token' }, 'Token'), field,
    h('p.quiet', {}, 'One of ', h('code', {}, 'phoenix-lxc token add'), '. It is kept until this tab is closed.'),
    h('button.main', {}, 'Look')));
  field.focus();
}

function leave() {
  token.forget();
  me = null; // so that what is still asked, and refused now, does not ask for a token a second time
  begin(false);
}

let following = new AbortController();

async function begin(entered) {
  following.abort();
  following = new AbortController();
  const { signal } = following;
  while (!signal.aborted) {
    try {
      me = await ask('me', { signal });
      break;
    } catch (problem) {
      if (problem.status === 401) {
        token.forget();
        welcome(entered && 'The server does not know this token, or not any more.');
        return;
      }
      say(trouble(problem));
      await pause(AGAIN, signal);
    }
  }
  if (signal.aborted) return;
  put($('views'), VIEWS.map(([name, title]) => h('li', {}, h('a', { href: `#/${name}` }, title))));
  greet();
  // What a view shows first is asked for once events are heard, so that none is missed between the two.
  const heard = new Promise((resolve) => {
    let begun = false;
    follow('events', (event) => current.wake(event), signal, () => {
      resolve();
      current.wake({});
      if (begun) recognize(signal);
      begun = true;
    });
  });
  await Promise.race([heard, pause(GATHER, signal)]);
  if (!signal.aborted) route(entered);
}

function greet() {
  put($('who'), me.open ? 'no tokens: whoever is on this machine' : [`${me.name}, ${me.role} `,
    h('button', { onclick: leave }, 'Leave')]);
}

/** Learn whether the reader may do other things now: the server ends the stream of whose token was changed. */
async function recognize(signal) {
  const known = await ask('me', { signal }).catch(() => null); // asked again when the stream is next
  if (!known || !me || signal.aborted || JSON.stringify(known) === JSON.stringify(me)) return;
  me = known;
  greet();
  route(true);
}

door.addEventListener('unwelcome', () => {
  if (me !== null) {
    me = null;
    begin(true);
  }
});
addEventListener('hashchange', () => me && route(true));
$('skip').addEventListener('click', (event) => {
  event.preventDefault();
  $('main').focus();
});
begin(false);
