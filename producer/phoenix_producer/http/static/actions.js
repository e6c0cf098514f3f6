// What an operator may do. What would happen is shown first, and nothing happens before it is confirmed.
import { ask, uuid } from './api.js';
import { h, put } from './dom.js';

const itemOf = (element) => element.closest('[data-key]')?.dataset.key;

/** Give the focus back to what had it; the button may have been drawn again meanwhile, or be gone. */
function refocus(before) {
  if (document.activeElement === before) return;
  const same = (one) => one.textContent === before.textContent && itemOf(one) === itemOf(before);
  const again = before.isConnected ? before : [...document.querySelectorAll('main button')].find(same);
  (again ?? document.querySelector('main h1'))?.focus({ preventScroll: true });
}

/** Close what is asked: another view is shown, or another reader looks. */
export function closeQuestions() {
  for (const dialog of document.querySelectorAll('dialog')) dialog.close();
}

/** Show a question in a dialog; `prepare` fills it, and returns what to do once it is confirmed (null: nothing). */
function question(title, confirm, prepare) {
  const body = h('div', {}, h('p', {}, 'The workers are asked what would happen…'));
  const yes = h('button.main', { type: 'button', disabled: true }, confirm);
  const no = h('button', { type: 'button' }, 'Close');
  const errors = h('p.wrong', { role: 'alert' });
  const dialog = h('dialog', { 'aria-labelledby': 'question' }, h('h2', { id: 'question' }, title), body, errors, h('p.buttons', {}, no, yes));
  const before = document.activeElement;
  let act = null;
  const fail = (problem) => put(errors, [problem.message, problem.remedy].filter(Boolean).join(' '));
  no.addEventListener('click', () => dialog.close());
  dialog.addEventListener('close', () => {
    dialog.remove();
    refocus(before);
  });
  yes.addEventListener('click', async () => {
    yes.disabled = true;
    put(errors);
    try {
      await act();
      dialog.close();
    } catch (problem) {
      fail(problem);
      yes.disabled = false;
    }
  });
  const again = async () => {
    yes.disabled = true;
    put(errors);
    try {
      act = await prepare(body, again);
      yes.disabled = act === null;
    } catch (problem) {
      put(body);
      fail(problem);
    }
  };
  document.body.append(dialog);
  dialog.showModal();
  again();
}

/** A button that stops a job. */
export const cancelButton = (job) => h('button', { onclick: () => askToCancel(job, uuid()) }, 'Cancel…');

function askToCancel(job, key) {
  question(`Cancel ${job.what}?`, 'Cancel it', async (body) => {
    put(body, h('p', {}, job.step ? `It is at: ${job.step}. ` : '', 'Its Proxmox task is stopped, and what it has half made is removed, ',
      'unless another request waits for it.'), h('p', {}, 'Asked by ', job.requester || 'nobody named', '.'));
    return () => ask(`requests/${encodeURIComponent(job.id)}/cancel`, { method: 'POST', headers: { 'Idempotency-Key': key } });
  });
}

/** A button that builds a template again, from what is declared. */
export const rebuildButton = (ctid) => h('button', { onclick: () => askToRebuild(ctid, uuid()) }, 'Rebuild…');

function askToRebuild(ctid, key) {
  let accepted = false;
  const change = (wait, body, headers = {}) => ask(`containers/${ctid}/rebuild?wait=${wait}`, { method: 'POST', headers,
    body: accepted ? { ...body, accept_not_applied: true } : body });
  question(`Rebuild template ${ctid}?`, 'Rebuild it', async (body, again) => {
    try {
      const found = await change(60, { dry_run: true });
      put(body, h('p', {}, 'This would be done:'), h('ol', {}, (found.plan ?? []).map((line) => h('li', {}, line))),
        found.warnings?.map((line) => h('p.wrong', {}, line)));
      return async () => {
        const begun = await change(0, {}, { 'Idempotency-Key': key });
        location.hash = `#/jobs/${begun.id ?? begun.request_id}`;
      };
    } catch (problem) {
      if (problem.cause !== 'no-shell' || accepted) throw problem;
      const accept = () => { accepted = true; again(); };
      put(body, h('p.wrong', {}, problem.message, ' ', problem.remedy),
        h('button', { onclick: accept }, 'Plan it without what needs shell access'));
      return null;
    }
  });
}

/** A button that drains a node, or ends that; `changed` is called when it has. */
export function drainButton(node, drained, changed) {
  const [word, path] = drained ? ['Undrain', 'undrain'] : ['Drain', 'drain'];
  return h('button', { onclick: () => askToDrain(node, word, path, uuid(), changed) }, `${word}…`);
}

function askToDrain(node, word, path, key, changed) {
  question(`${word} ${node}?`, `${word} it`, async (body) => {
    put(body, h('p', {}, path === 'drain' ? 'It takes no new containers from then on. What stands there stays, and is worked on as before.'
      : 'It takes new containers again.'));
    return async () => {
      await ask(`nodes/${encodeURIComponent(node)}/${path}?wait=30`, { method: 'POST', headers: { 'Idempotency-Key': key } });
      changed();
    };
  });
}
