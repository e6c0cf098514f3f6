// A browser for a test: each line on stdin is a call of Playwright's page, `{"do": "click", "with": ["text=Now"]}`, and each
// line on stdout its answer. `axe` tells what is not accessible, `scheme` and `context` begin a new page.
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const AXE = fileURLToPath(import.meta.resolve('axe-core/axe.min.js'));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  headless: true,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
  ],
});
const said = []; // what the browser complains of: errors of code, refusals of the policy, requests to elsewhere
let page;
let tabs = [];
const asked = new Set(); // what the page waits for
let counter; // of what the main thread of a page does

/** Have the clock of a page go ahead of the machine's. */
function shift(milliseconds) {
  const Real = Date;
  globalThis.Date = class extends Real {
    constructor(...given) { super(...(given.length ? given : [Real.now() + milliseconds])); }

    static now() { return Real.now() + milliseconds; }
  };
}

const own = {
  /** Begin a new page, as a new tab in another browser; `ahead` is by how many seconds its clock is wrong. */
  async begin({ ahead = 0, axe = true, ...options }) {
    await page?.context().close();
    const context = await browser.newContext(options);
    if (axe) await context.addInitScript({ path: AXE });
    if (ahead) await context.addInitScript(shift, 1000 * ahead);
    page = undefined;
    tabs = [];
    asked.clear();
    await own.tab(0, context);
  },
  /** Go to a tab of the same browser, a new one if there are not so many. */
  async tab(number, context = page.context()) {
    if (tabs[number]) { page = tabs[number]; return; }
    page = await context.newPage();
    tabs.push(page);
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (error) => said.push(`error: ${error.message}`));
    page.on('console', (message) => /Security Policy|Trusted/i.test(message.text()) && said.push(message.text()));
    page.on('request', (request) => new URL(request.url()).hostname === '127.0.0.1' || said.push(`elsewhere: ${request.url()}`));
    page.on('request', (request) => asked.add(request));
    page.on('requestfinished', (request) => asked.delete(request));
    page.on('requestfailed', (request) => asked.delete(request));
    page.on('dialog', (dialog) => { said.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  },
  /** Answer questions for a path in the server's place. */
  answer: (path, json, status = 200) => page.route(`**${path}`, (route) => route.fulfill({ json, status })),
  axe: async () => (await page.evaluate(() => globalThis.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'] })))
    .violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 200)).join(' | ')}`),
  /** Count from now on the processor's time of the main thread; `spent` tells it, in milliseconds. */
  async count() {
    counter = await page.context().newCDPSession(page);
    await counter.send('Performance.enable', { timeDomain: 'threadTicks' });
  },
  spent: async () => (await counter.send('Performance.getMetrics')).metrics.find(({ name }) => name === 'TaskDuration').value * 1000,
  width: () => page.evaluate(() => document.documentElement.scrollWidth),
  focused: () => page.evaluate(() => {
    const { tagName, id, textContent } = document.activeElement;
    return `${tagName.toLowerCase()}${id ? `#${id}` : ''} ${textContent.trim().slice(0, 40)}`.trim();
  }),
  press: (key) => page.keyboard.press(key),
  kept: () => page.evaluate(() => [localStorage.length, document.cookie, sessionStorage.length]),
  said: () => said.splice(0),
};

/** What a person would see, for people who read why a test failed. */
async function seen() {
  const look = () => [document.visibilityState, document.readyState, location.href, document.body.innerText].join('\n');
  const late = new Promise((resolve) => { setTimeout(resolve, 5000, 'a page that does not answer'); });
  const shown = await Promise.race([page.evaluate(look), late]).catch((error) => error.message);
  return [shown, 'not answered:', ...[...asked].map((request) => request.url()), 'complaints:', ...said].join('\n');
}

for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, with: given } = JSON.parse(line);
  const act = own[name] ?? ((...all) => page[name](...all));
  const answer = await Promise.resolve().then(() => act(...given)).then(
    (value) => ({ value: typeof value === 'object' && !Array.isArray(value) ? null : value ?? null }),
    async (error) => ({ error: `${error.message}\n${await seen()}` }),
  );
  console.log(JSON.stringify(answer));
}
await browser.close();
