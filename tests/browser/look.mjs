// What a person sees in Flower: `node look.mjs URL USER PASSWORD SEARCH [NAME]` prints JSON.
// The list of tasks that a search finds; with NAME, the page of the first of that name too, by a click on it.
import { chromium } from 'playwright-core';

const [url, username, password, search, name] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  headless: true,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
  ],
});
try {
  const context = await browser.newContext({ httpCredentials: { username, password } });
  const page = await context.newPage();
  await page.goto(`${url}/tasks`, { timeout: 60000 });
  await page.waitForSelector('#tasks-table tbody tr', { timeout: 60000 });
  const searched = page.waitForResponse((answer) => answer.url().includes('datatable') && answer.request().method() === 'POST'
    && (answer.request().postData() || '').includes(encodeURIComponent(search)));
  await page.fill('input[type=search]', search);
  await searched;
  await page.waitForFunction(() => !document.querySelector('#tasks-table_processing')?.offsetParent);
  const head = await page.$$eval('.dataTables_scrollHead th', (cells) => cells.map((cell) => cell.textContent.trim()));
  const rows = await page.$$eval('#tasks-table tbody tr', (lines) =>
    lines.map((line) => [...line.querySelectorAll('td')].map((cell) => cell.innerText.trim())));
  const seen = { head, rows, page: null };
  if (process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}/tasks.png`, fullPage: true });
  if (name) {
    const row = page.locator('#tasks-table tbody tr', { hasText: name }).first();
    await row.locator('a[href*="/task/"]').first().click({ timeout: 60000 });
    await page.waitForSelector('#task-page', { timeout: 60000 });
    seen.page = await page.innerText('#task-page');
    if (process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}/task.png`, fullPage: true });
  }
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
}
